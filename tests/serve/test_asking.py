"""Photos and sentences in, answers out: what a map is asked over HTTP, and what it refuses."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import vprkit
from tests.conftest import at_name
from tests.retrieval.test_calibrated import calibration
from tests.retrieval.test_texts import SMALL, Joined
from tests.serve.conftest import client_of, encoded, locate, sentence, view
from vprkit.method import Method
from vprkit.retrieval.map import Map
from vprkit.serve.service import abilities_of
from vprkit.serve.settings import Limits


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
        ({"tpo": 3}, "there is no field 'tpo'; this form takes image, text, top, "),
    ],
)
def test_wrong_fields_are_refused(client, fields, message):
    assert message in sentence(locate(client, view(0), **fields), 422)


def test_what_is_no_photo_is_refused(client):
    photo = view(1)
    assert "not a picture" in sentence(locate(client, b"%PDF-1.7 hello"), 415)
    assert "missing or empty" in sentence(locate(client, b""), 422)
    assert "damaged or incomplete" in sentence(locate(client, photo[: len(photo) // 2]), 422)
    other = client.post("/locate", files={"photo": ("photo.png", photo + bytes(20_000))})
    assert "there is no field 'photo'; this form takes image, text, top, " in sentence(other, 422)
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


def test_a_second_stage_looks_again_and_draws_matches(matching):
    matching = client_of(matching)
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
    told = sentence(client.post("/search", json={"text": "a house"}), 422)
    assert "its photos have no captions" in told and "extra" not in told


def test_captions_that_nothing_here_reads_are_said(captioned, monkeypatch):
    abilities_of.cache_clear()
    monkeypatch.setattr("vprkit.serve.service._reads_captions", lambda: False)
    told = sentence(client_of(captioned).post("/search", json={"text": "a house"}), 422)
    abilities_of.cache_clear()
    assert "its photos have captions, but the extra 'text'" in told


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_a_search_that_is_not_declared_as_json_is_told_how_to_be(captioned, kind):
    headers = {} if kind is None else {"content-type": kind}
    answer = client_of(captioned).post("/search", content=b'{"text": "a house"}', headers=headers)
    assert sentence(answer, 415) == "send JSON with Content-Type: application/json"


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


def test_unexpected_failures_tell_nothing(city, monkeypatch, caplog):
    client = client_of(city)

    def broken(*arguments):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(type(city.method), "describe", broken)
    assert sentence(locate(client, view(1)), 500) == "something went wrong here; the service's log says what"
    assert "/secret/place" in caplog.text
    monkeypatch.undo()
    assert locate(client, view(1)).status_code == 200
