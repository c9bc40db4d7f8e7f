"""The service as a process: batches of many clients, an end that finishes work, and mistakes at the start."""

import re
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.cli.test_cli import refused, vpr
from tests.serve.browser import hosted
from tests.serve.conftest import view
from tests.serve.load import Asked, load
from tests.serve.malformed import END, FORM, part
from tests.serve.process import served
from vprkit.extras import installing
from vprkit.serve.questions import PhotoQuestion


@pytest.fixture
def running(city):
    with served(city.folder, "--device", "cpu", "--batch", "8") as service:
        yield service


def form(photo: bytes) -> bytes:
    return part(b"image", photo) + END


def begun(port: int, body: bytes) -> socket.socket:
    """A connection that has sent all of a question but its last 20 bytes."""
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = b"POST /locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    line.sendall(head % (FORM, len(body)) + body[:-20])
    return line


def test_many_clients_share_batches_and_work_is_finished_at_the_end(running):
    photos = [Asked(view(number % 8, seed=number), f"@d{number % 8}@") for number in range(24)]
    found = load(running.port, photos, clients=16, seconds=1.5)
    assert not found.failures and found.wrong == 0  # nobody gets the answer of another
    count = len(found.seconds)
    assert count >= 16 and running.metric("vprkit_described_images_total") == count
    assert running.metric("vprkit_batch_size_sum") == count > 1.3 * running.metric("vprkit_batch_size_count")
    assert max(found.batches) <= 8

    body = form(view(3))
    line = begun(running.port, body)
    while running.metric("vprkit_requests_in_work") < 2:  # the upload and this look
        time.sleep(0.01)
    running.process.send_signal(signal.SIGTERM)
    status = 200
    for _ in range(200):
        try:
            running.json("/about")
        except urllib.error.HTTPError as error:
            status = error.code
            break
        time.sleep(0.01)
    assert status == 503 and running.process.poll() is None
    line.sendall(body[-20:])
    answer = line.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200") and b"@d3@" in answer
    assert running.process.wait(20) == 0
    assert "Traceback" not in running.log.read_text()


def test_a_second_signal_does_not_wait(running):
    line = begun(running.port, form(view(3)))
    while running.metric("vprkit_requests_in_work") < 2:
        time.sleep(0.01)
    start = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert running.process.poll() is None
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 0 and time.monotonic() - start < 9
    line.close()


def test_mistakes_are_said_at_once(city, tmp_path):
    assert "there is no map here" in refused("serve", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused("serve", city.folder, "--port", port)
        assert f"port {port} of 127.0.0.1 cannot be listened on" in message and "choose another" in message
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = vpr("serve", city.folder, "--host", "0.0.0.0", "--port", port).stderr
        assert "warning: whoever reaches 0.0.0.0 can ask this map" in done and "plain HTTP" in done
        done = vpr("serve", city.folder, "--host", "0.0.0.0", "--port", port, "--token", "long-enough").stderr
        assert "whoever reaches" not in done
    assert "cannot be listened on" in refused("serve", city.folder, "--host", "no.such.host.invalid")
    assert "give --token or --token-file" in refused("serve", city.folder, "--token", "x", "--token-file", tmp_path)
    assert "none: there is no such file" in refused("serve", city.folder, "--token-file", tmp_path / "none")
    (tmp_path / "token").write_text("short\n")
    assert "8 or more" in refused("serve", city.folder, "--token-file", tmp_path / "token")
    assert "no address of tiles" in refused("serve", city.folder, "--tiles", "tiles.example")
    assert "no answer can be rejected: the map has no calibration" in refused(
        "serve", city.folder, "--reject", "0.5", "--port", "0"
    )


def test_a_missing_package_is_named(city, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert installing("serve") in refused("serve", city.folder)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"])
def test_who_does_not_say_what_he_wants_is_not_waited_for(city, monkeypatch, sent):
    monkeypatch.setattr("vprkit.serve.patience.HEADER_SECONDS", 0.3)
    with hosted(city) as url, socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=4) as line:
        line.sendall(sent)
        start = time.monotonic()
        while line.recv(1000):
            pass
        assert time.monotonic() - start < 3  # uvicorn itself would wait without end, or for 5 seconds
        with urllib.request.urlopen(url + "healthz") as answer:
            assert answer.status == 200


def test_who_goes_away_leaves_no_work_behind(city, monkeypatch):
    """Three clients: one is being answered, two wait, one of these goes."""
    taken, release, answers = threading.Event(), threading.Event(), PhotoQuestion.answers

    def held(place_map, questions):
        taken.set()
        release.wait(60)
        return answers(place_map, questions)

    def metric(url: str, name: str) -> float:
        with urllib.request.urlopen(url + "metrics") as answer:
            return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)[1])

    def until(url: str, waiting: int) -> None:
        while metric(url, "vprkit_waiting_questions") != waiting:
            time.sleep(0.01)

    with hosted(city) as url:
        monkeypatch.setattr(PhotoQuestion, "answers", held)
        port, body = urlsplit(url).port, form(view(3))
        lines = []
        for waiting in (0, 1, 2):
            lines.append(begun(port, body))
            lines[-1].sendall(body[-20:])
            assert taken.wait(60)
            until(url, waiting)
        lines[1].close()
        until(url, 1)
        release.set()
        assert all(line.makefile("rb").readline().startswith(b"HTTP/1.1 200") for line in (lines[0], lines[2]))
        assert metric(url, "vprkit_described_images_total") == 2
