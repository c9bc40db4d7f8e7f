"""Who may ask, and what browsers are told."""

import pytest

from tests.serve.conftest import client_of, view
from vprkit.errors import ConfigError
from vprkit.serve.refusals import without_folders
from vprkit.serve.settings import Limits, ServeSettings, Tiles

TOKEN = "a-secret-of-16-signs"
OPEN = ("/", "/healthz", "/docs", "/openapi.json", "/page/base.css")
CLOSED = ("/about", "/points", "/records/0", "/records/0/thumbnail", "/metrics")


@pytest.fixture(scope="module")
def guarded(city):
    return client_of(city, token=TOKEN)


@pytest.mark.parametrize("path", CLOSED)
def test_a_token_is_wanted(guarded, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "wants a token" in answer.json()["error"]
    assert guarded.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_questions_want_a_token_too(guarded):
    assert guarded.post("/locate", files={"image": view(1)}).status_code == 401
    headers = {"Authorization": f"bearer {TOKEN}"}
    assert guarded.post("/locate", files={"image": view(1)}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", OPEN)
def test_what_tells_nothing_of_the_map_is_open(guarded, city, path):
    answer = guarded.get(path)
    assert answer.status_code == 200 and city.folder.name not in answer.text and "d3" not in answer.text
    assert answer.headers["cache-control"] in ("no-cache", "no-store")


def test_strange_names_are_refused(city, client):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        answer = client.get("/about", headers={"Host": host})
        assert answer.status_code == 421 and "does not answer to the name" in answer.json()["error"]
    for host in ("localhost:8000", "127.0.0.1", "LOCALHOST", "[::1]:8000"):
        assert client.get("/about", headers={"Host": host}).status_code == 200
    behind = client_of(city, hosts=("maps.example.org",))
    assert behind.get("/about", headers={"Host": "maps.example.org"}).status_code == 200
    assert behind.get("/about", headers={"Host": "evil.example"}).status_code == 421
    assert client_of(city, host="0.0.0.0").get("/about", headers={"Host": "any.example"}).status_code == 200


def test_pages_of_other_sites_may_not_ask(client):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:81"):
        answer = client.post("/locate", files={"image": view(1)}, headers={"Origin": origin})
        assert answer.status_code == 403
    own = client.post("/locate", files={"image": view(1)}, headers={"Origin": "http://127.0.0.1"})
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers


def test_browsers_are_told_what_they_may_do(city, client):
    for answer in (client.get("/"), client.get("/nowhere"), client.get("/about", headers={"Host": "x"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "'unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    tiles = Tiles("https://tile.openstreetmap.org/{z}/{x}/{y}.png")
    with_tiles = client_of(city, tiles=tiles)
    policy = with_tiles.get("/").headers["content-security-policy"]
    assert "img-src 'self' blob: https://tile.openstreetmap.org;" in policy
    assert with_tiles.get("/about").json()["tiles"]["attribution"] == "© OpenStreetMap contributors"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70_000}, "port must be from 0 to 65535"),
        ({"token": "short"}, "8 or more plain characters"),
        ({"token": "with a space in it"}, "must hold no spaces"),
        ({"reject": 1.5}, "a confidence from 0 to 1"),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        ServeSettings(**options)


@pytest.mark.parametrize("options", [{"queue": 0}, {"seconds": 0.0}, {"upload_mb": float("inf")}, {"megapixels": 1e3}])
def test_limits_are_checked(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Limits(**options)


@pytest.mark.parametrize(
    "url", ["tiles", "ftp://x/{z}/{x}/{y}", "https://x/{z}/{x}", "https://*/{z}/{x}/{y}", "https://a;b/{z}/{x}/{y}"]
)
def test_addresses_of_tiles_are_checked(url):
    with pytest.raises(ConfigError, match="tiles"):
        Tiles(url)


def test_sentences_lose_their_folders():
    assert without_folders("/work/a b/c.map, see https://x.org/y/z") == "c.map, see https://x.org/y/z"
    assert without_folders("/work/c.map has no captions (3/4)") == "c.map has no captions (3/4)"
    assert without_folders("cannot read '/srv/maps/city.map/store/x.bin' (denied)") == "cannot read 'x.bin' (denied)"
