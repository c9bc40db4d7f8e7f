"""Records, thumbnails, points and facts: what they tell, and that no path of this machine is in it."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.conftest import picture
from tests.serve.conftest import client_of, locate, sentence, view
from vprkit.retrieval.map import Map
from vprkit.serve.points import points_json, thinned


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


def test_a_kept_thumbnail_is_of_the_photo_that_is_there(folder, hog):
    root = folder / "again"
    root.mkdir()
    for seed, modified in ((1, 1), (2, 2)):
        Image.fromarray(picture(seed)).save(root / "a.png")
        os.utime(root / "a.png", ns=(modified, modified))
        if seed == 1:
            client = client_of(Map.build(root, hog, folder / "again.map"))
            first = client.get("/records/0/thumbnail").content
            assert client.get("/records/0/thumbnail").content == first
    assert client.get("/records/0/thumbnail").content != first


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
    root = folder / "names"
    root.mkdir()
    Image.fromarray(picture(1)).save(os.fsdecode(os.fsencode(root) + b"/caf\xe9.png"))
    client = client_of(Map.build(root, hog, folder / "names.map"))
    assert locate(client, view(1)).json()["hits"][0]["name"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert client.get("/records/0").json()["name"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert client.get("/points").json()["count"] == 0


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


def test_wrong_routes_and_methods_are_said(client):
    assert sentence(client.get("/nowhere"), 404) == "there is nothing at /nowhere; see /docs"
    assert len(sentence(client.get("/" + "x" * 500), 404)) < 120
    answer = client.get("/locate")
    assert sentence(answer, 405) == "GET is not what /locate takes; POST it" and answer.headers["allow"] == "POST"
    assert sentence(client.delete("/about"), 405) == "DELETE is not what /about takes; GET it"


def test_the_manual_names_every_route_and_field(client):
    page = client.get("/docs").text
    described = client.get("/openapi.json").json()
    for path in ("/locate", "/search", "/matches", "/records/{id}", "/records/{id}/thumbnail", "/points", "/about"):
        assert path in described["paths"] and path in page
    form = described["paths"]["/locate"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"image", "text", "top", "rerank", "distinct"} and form["required"] == ["image"]
    assert "<script" not in page and "rerank" in page
