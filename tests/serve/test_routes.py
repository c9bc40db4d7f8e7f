"""Every route: what it answers, what it refuses, and that no path of this machine is in it."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import vprkit
from tests.conftest import at_name, picture
from tests.retrieval.test_calibrated import calibration
from tests.retrieval.test_texts import SMALL, Joined
from tests.serve.conftest import client_of, encoded, view
from vprkit.method import Method
from vprkit.retrieval.map import Map
from vprkit.serve.points import points_json, thinned
from vprkit.serve.settings import Limits


def locate(client, photo: bytes, **fields):
    return client.post("/locate", files={"image": ("photo.png", photo)}, data=fields)


def sentence(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    return answer.json()["error"]


def test_a_photo_is_located_as_by_the_map(client, city):
    photo = view(3)
    answer = locate(client, photo, top=3).json()
    wanted = city.locate(photo, top=3)
    assert [(hit["name"], hit["score"]) for hit in answer["hits"]] == [(hit.name, hit.score) for hit in wanted]
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3] and "@d3@" in answer["hits"][0]["name"]
    assert answer["estimate"] == pytest.approx(vars(wanted.estimate))
    assert answer["hits"][0]["latitude"] == wanted[0].latitude and answer["confidence"] is answer["known"] is None
    assert answer["timing"]["batch"] == 1 and answer["timing"]["answer_ms"] > 0
    assert "path" not in answer["hits"][0] and str(city.folder.parent) not in json.dumps(answer)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF"])
def test_the_content_tells_the_format(client, form):
    answer = client.post("/locate", files={"image": ("notes.txt", view(2, form), "text/plain")})
    assert "@d2@" in answer.json()["hits"][0]["name"]


def test_hits_can_be_distinct_places(client):
    hits = locate(client, view(4), top=3, distinct=120).json()["hits"]
    east = sorted(50 * int(hit["name"].split("@d")[1].split("@")[0]) for hit in hits)
    assert min(np.diff(east)) >= 120


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top": 0}, "top must be from 1 to 100"),
        ({"top": 101}, "top must be from 1 to 100"),
        ({"top": "many"}, "top: input should be a valid integer"),
        ({"top": "9" * 5000}, "top: "),
        ({"distinct": -1}, "distinct must be from 0"),
        ({"distinct": "nan"}, "distinct must be from 0"),
        ({"rerank": 5}, "method 'hog' has no second stage"),
        ({"text": "a house"}, "method 'hog' does not join a text"),
        ({"text": "x" * 1001}, "the text has 1001 characters"),
        ({"tpo": 3}, "tpo: unexpected"),
    ],
)
def test_wrong_fields_are_refused(client, fields, message):
    assert message in sentence(locate(client, view(0), **fields), 422)


def test_what_is_no_photo_is_refused(client):
    photo = view(1)
    assert "not a picture" in sentence(locate(client, b"%PDF-1.7 hello"), 415)
    assert "missing or empty" in sentence(locate(client, b""), 422)
    assert "damaged or incomplete" in sentence(locate(client, photo[: len(photo) // 2]), 422)
    assert "missing or empty" in sentence(client.post("/locate", files={"photo": ("photo.png", photo)}), 422)
    assert "send a form" in sentence(client.post("/locate", content=photo), 415)
    assert "send a form" in sentence(client.post("/locate", json={"image": "x"}), 415)
    twice = [("image", ("a.png", photo)), ("image", ("b.png", photo))]
    assert "stands there twice" in sentence(client.post("/locate", files=twice), 422)


def test_forms_are_read_strictly(client):
    head = {"content-type": "multipart/form-data; boundary=xx"}

    def sent(body: bytes):
        return client.post("/locate", content=body, headers=head)

    part = b'--xx\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + view(1) + b"\r\n"
    assert sent(part + b"--xx--\r\n").status_code == 200
    assert "ends before its last boundary" in sentence(sent(part), 400)
    text = b'--xx\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\r\n'
    assert "'text' is not UTF-8" in sentence(sent(part + text + b"--xx--\r\n"), 422)
    assert "a part has no name" in sentence(sent(b"--xx\r\nContent-Type: text/plain\r\n\r\nx\r\n--xx--\r\n"), 400)
    long = b'--xx\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + b"x" * 20_000 + b"\r\n--xx--\r\n"
    assert "'text' is longer than 16384 bytes" in sentence(sent(long), 413)
    assert "the form is broken" in sentence(sent(b"no boundary at all"), 400)


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(city):
    small = client_of(city, Limits(megapixels=0.01))
    assert "200x100 is more than the limit of 0.01" in sentence(
        locate(small, encoded(np.zeros((100, 200, 3), np.uint8))), 413
    )
    assert locate(small, view(1)).status_code == 200


def test_a_second_stage_looks_again_and_draws_matches(matching, shared_set):
    photo = view(5)
    again = locate(matching, photo, top=2, rerank=4).json()
    assert len(again["hits"]) == 2 and again["hits"][0]["score"] == round(again["hits"][0]["score"])
    abilities = matching.get("/about").json()["abilities"]
    assert abilities["rerank"] and abilities["matches"]
    answer = matching.post("/matches", files={"image": ("x", photo)}, data={"id": again["hits"][0]["id"]})
    sheet = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "image/jpeg" and sheet.size == (2 * 448 + 64, 448)
    assert int(answer.headers["x-matches"]) >= int(answer.headers["x-drawn"]) > 0
    assert "there is no record 99" in sentence(matching.post("/matches", files={"image": photo}, data={"id": 99}), 404)
    assert "id: field required" in sentence(matching.post("/matches", files={"image": photo}), 422)
    assert "rerank must be from 1 to 100" in sentence(locate(matching, photo, rerank=101), 422)


def test_a_method_without_matches_says_so(client):
    answer = client.post("/matches", files={"image": view(1)}, data={"id": 1})
    assert "'hog' matches no points" in sentence(answer, 422)


def test_sentences_are_searched_in_captions(captioned):
    client = client_of(captioned)
    assert client.get("/about").json()["abilities"]["text"]
    found = client.post("/search", json={"text": "a place that sells bread", "top": 2}).json()
    assert "@bakery@" in found["hits"][0]["name"] and found["hits"][0]["text"].startswith("A bakery")
    day = client.post("/search", json={"text": "a place that sells bread", "condition": "day"}).json()
    assert day["hits"] and all("@day@" in hit["name"] for hit in day["hits"])
    at = found["hits"][0]
    near = {"near": [at["latitude"], at["longitude"]], "within": 50}
    assert len(client.post("/search", json={"text": "boats", **near}).json()["hits"]) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": " "}, "the sentence is empty"),
        ({}, "text: field required"),
        ({"text": 3}, "text: input should be a valid string"),
        ({"text": "x", "near": [91, 0], "within": 5}, "the latitude of near must be from -90 to 90"),
        ({"text": "x", "near": [1, 2]}, "needs both the point and the metres"),
        ({"text": "x", "condition": "fog"}, "no image of this map has the condition 'fog'"),
        ({"text": "x", "top": 1000}, "top must be"),
        ({"text": "x", "colour": "red"}, "colour: unexpected"),
        ([1], "the body: "),
    ],
)
def test_wrong_searches_are_refused(captioned, body, message):
    assert message in sentence(client_of(captioned).post("/search", json=body), 422)


def test_broken_json_is_refused(captioned):
    client = client_of(captioned)
    for body in (b"{", b'{"text": "\xff"}', b"[" * 50_000, b'{"top": ' + b"9" * 5000 + b', "text": "x"}', b""):
        answer = client.post("/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422) and answer.json().keys() == {"error"}
    assert "larger than" in sentence(client.post("/search", json={"text": "x" * 100_000}), 413)


def test_a_map_without_texts_is_not_searched(client):
    assert "its photos have no captions" in sentence(client.post("/search", json={"text": "a house"}), 422)


def test_photo_and_text_are_joined_where_the_method_reads_both(folder):
    root = folder / "joined"
    root.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (16, 16), "grey").save(root / at_name(400_000 + 50 * number, 5e6, name=colour))
    records = vprkit.data.benchmark.open_records(root)
    records = records.with_text("text", [f"a {name.split('@')[7]} house" for name in records.names])
    method = Method(Joined(), SMALL, name="joined", device="cpu")
    client = client_of(Map.build(records, method, folder / "joined.map"))
    about = client.get("/about").json()["abilities"]
    assert about["photo"] and about["photo_and_text"]
    grey = encoded(np.full((16, 16, 3), 128, np.uint8))
    for colour in ("green", "blue"):
        assert f"@{colour}@" in locate(client, grey, text=f"{colour} house").json()["hits"][0]["name"]


def test_records_and_thumbnails_are_given(client, city):
    record = client.get("/records/2").json()
    assert record["name"] == city.store.names[2] and record["thumbnail"] == "records/2/thumbnail"
    assert record["latitude"] == city.records[2].latitude
    for size, side in ((16, 64), (96, 64), (300, 64)):  # photos are not enlarged
        answer = client.get(f"/records/2/thumbnail?size={size}")
        shown = Image.open(io.BytesIO(answer.content))
        assert answer.headers["content-type"] == "image/jpeg" and max(shown.size) == side
    assert "there is no record 8" in sentence(client.get("/records/8"), 404)
    assert "there is no record -1" in sentence(client.get("/records/-1/thumbnail"), 404)
    assert client.get("/records/..%2f..%2fetc%2fpasswd").status_code == 404
    assert "size: " in sentence(client.get("/records/1/thumbnail?size=100000"), 422)


def test_thumbnails_hold_nothing_but_pixels(folder, hog):
    root = folder / "private"
    root.mkdir()
    exif = Image.Exif()
    exif[0x010E] = "SECRET street 1"
    exif[0x0112] = 6
    place = Image.fromarray(picture(1, (40, 300)))
    place.save(root / "a.jpg", exif=exif, comment=b"SECRET comment", icc_profile=b"SECRET profile")
    client = client_of(Map.build(root, hog, folder / "private.map"))
    content = client.get("/records/0/thumbnail?size=96").content
    shown = Image.open(io.BytesIO(content))
    assert b"SECRET" not in content and shown.size == (13, 96)  # upright


def test_files_beside_the_map_never_leave(folder, hog):
    root = folder / "linked"
    root.mkdir()
    outside = folder / "outside.png"
    Image.fromarray(picture(5)).save(outside)
    Image.fromarray(picture(6)).save(root / "b.png")
    (root / "a.png").symlink_to(outside)
    client = client_of(Map.build(root, hog, folder / "linked.map"))
    names = [client.get(f"/records/{row}").json()["name"] for row in (0, 1)]
    assert "no longer where it was" in sentence(client.get(f"/records/{names.index('a.png')}/thumbnail"), 404)
    assert client.get(f"/records/{names.index('b.png')}/thumbnail").status_code == 200
    (root / "b.png").unlink()
    (root / "b.png").write_text("no picture")
    gone = client_of(Map.open(folder / "linked.map", method=hog))
    assert "cannot be read any more" in sentence(gone.get(f"/records/{names.index('b.png')}/thumbnail"), 404)


def test_removed_photos_do_not_answer(folder, shared_set, hog, monkeypatch):
    monkeypatch.setattr("vprkit.serve.following.LOOK_EVERY", 0.0)
    served = Map.build(shared_set / "database", hog, folder / "removed.map")
    client = client_of(served)
    first = locate(client, view(3)).json()["hits"][0]
    assert client.get(f"/records/{first['id']}").status_code == 200
    Map.open(folder / "removed.map", method=hog).remove([first["name"]])  # as another process does
    assert all(hit["id"] != first["id"] for hit in locate(client, view(3), top=8).json()["hits"])
    assert client.get(f"/records/{first['id']}").status_code == 404
    assert client.get(f"/records/{first['id']}/thumbnail").status_code == 404
    assert client.get("/about").json()["images"] == 7 and client.get("/points").json()["count"] == 7


def test_points_come_thinned(client, city):
    told = client.get("/points").json()
    latitude, longitude = (np.cumsum(told[key]) / 1e6 for key in ("latitude", "longitude"))
    assert told["count"] == 8
    np.testing.assert_allclose(latitude, city.records.latitude, atol=1e-6)
    np.testing.assert_allclose(longitude, city.records.longitude, atol=1e-6)
    assert len(json.loads(points_json(city, 3))["latitude"]) <= 3


def test_thinning_keeps_the_extent():
    degrees = np.random.default_rng(0).uniform([46, 7], [46.5, 7.2], (20_000, 2))
    kept = thinned(degrees, 1000)
    assert 200 < len(kept) <= 1000 and (np.diff(kept) > 0).all()
    assert np.ptp(degrees[kept], axis=0) == pytest.approx(np.ptp(degrees, axis=0), rel=0.1)
    assert len(thinned(np.zeros((50, 2)), 10)) == 1
    assert len(thinned(degrees[:10], 10)) == 10


def test_names_that_no_encoding_knows(folder, hog):
    import os

    root = folder / "names"
    root.mkdir()
    Image.fromarray(picture(1)).save(os.fsdecode(os.fsencode(root) + b"/caf\xe9.png"))
    client = client_of(Map.build(root, hog, folder / "names.map"))
    assert locate(client, view(1)).json()["hits"][0]["name"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert client.get("/records/0").json()["name"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert client.get("/points").json()["count"] == 0


def test_an_uncertain_answer_says_that_the_place_is_not_known(folder, shared_set, hog, monkeypatch):
    monkeypatch.setattr("vprkit.serve.following.LOOK_EVERY", 0.0)
    judged = Map.build(shared_set / "database", hog, folder / "judged.map")
    with pytest.raises(vprkit.errors.ConfigError, match="no answer can be rejected: the map has no calibration"):
        client_of(judged, reject=0.5)
    plain = client_of(judged)
    judged.calibrate(calibration(hog))
    sure = [judged.locate(view(place, seed=9)).confidence for place in range(8)]
    least = float(np.mean(sure))
    client = client_of(judged, reject=least)
    told = [locate(client, view(place, seed=9)).json() for place in range(8)]
    assert [one["confidence"] for one in told] == pytest.approx(sure, abs=1e-9)
    assert [one["known"] for one in told] == [one >= least for one in sure] and len({one["known"] for one in told}) == 2
    assert all(one["hits"] for one in told) and client.get("/about").json()["reject"] == least
    late = locate(plain, view(0, seed=9)).json()  # calibrated while it was served
    assert late["confidence"] == pytest.approx(sure[0]) and late["known"] is None


def test_facts_are_told(client, city):
    about = client.get("/about").json()
    assert (about["name"], about["method"], about["images"], about["with_position"]) == ("city.map", "hog", 8, 8)
    assert about["abilities"] == {
        "photo": True, "text": False, "photo_and_text": False, "rerank": False, "matches": False,
    }  # fmt: skip
    assert client.get("/healthz").json() == {"status": "ready", "waiting": 0}
    locate(client, view(1))
    lines = client.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith('vprkit_requests_total{method="POST",route="/locate"')]
    assert any('status="200"' in line for line in counted)
    assert "vprkit_map_images 8.0" in lines and any(line.startswith("vprkit_described_images_total") for line in lines)
    client.get("/no/such/page")
    assert 'vprkit_requests_total{method="any",route="none",status="404"}' in client.get("/metrics").text


def test_the_manual_names_every_route_and_field(client):
    page = client.get("/docs").text
    described = client.get("/openapi.json").json()
    for path in ("/locate", "/search", "/matches", "/records/{id}", "/records/{id}/thumbnail", "/points", "/about"):
        assert path in described["paths"] and path in page
    form = described["paths"]["/locate"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"image", "text", "top", "rerank", "distinct"} and form["required"] == ["image"]
    assert "<script" not in page and "rerank" in page


def test_unexpected_failures_tell_nothing(city, monkeypatch, caplog):
    client = client_of(city)

    def broken(*arguments):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(type(city.method), "describe", broken)
    assert sentence(locate(client, view(1)), 500) == "something went wrong here; the service's log says what"
    assert "/secret/place" in caplog.text
    monkeypatch.undo()
    assert locate(client, view(1)).status_code == 200


def test_a_photo_that_the_network_cannot_take_is_refused(folder, shared_set):
    class Picky(torch.nn.Module):
        def forward(self, images):
            if images.mean() > 3:
                raise vprkit.errors.DataError(f"{folder}/weights/x: too bright")
            return images.mean(3).flatten(1)

    method = Method.from_module(Picky(), vprkit.Preprocessing(size=(16, 16), mean=(0, 0, 0), std=(0.25,) * 3))
    client = client_of(Map.build(shared_set / "database", method, folder / "picky.map"))
    white = encoded(np.full((16, 16, 3), 255, np.uint8))
    assert sentence(locate(client, white), 422) == "x: too bright"
