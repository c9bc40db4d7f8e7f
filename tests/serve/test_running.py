"""The service as a process: batches of many clients, an end that finishes work, and mistakes at the start."""

import http.client
import json
import signal
import socket
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.test_cli import refused, vpr
from tests.serve.conftest import view
from tests.serve.process import served

HEAD = "multipart/form-data; boundary=xx"


@pytest.fixture
def running(city):
    with served(city.folder, "--device", "cpu", "--batch", "8") as service:
        yield service


def form(photo: bytes) -> bytes:
    return b'--xx\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + photo + b"\r\n--xx--\r\n"


def locate(port: int, photo: bytes) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/locate", form(photo), {"Content-Type": HEAD})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def begun(port: int, body: bytes) -> socket.socket:
    """A connection that has sent all of a question but its last 20 bytes."""
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST /locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: {HEAD}\r\nContent-Length: {len(body)}\r\n\r\n"
    line.sendall(head.encode() + body[:-20])
    return line


def test_many_clients_share_batches_and_work_is_finished_at_the_end(running):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: locate(running.port, view(number % 8, seed=number)), range(48)))
    assert [status for status, _ in answers] == [200] * 48
    for number, (_, answer) in enumerate(answers):
        assert f"@d{number % 8}@" in answer["hits"][0]["name"]  # nobody gets the answer of another
    assert running.metric("vprkit_batch_size_sum") == running.metric("vprkit_described_images_total") == 48
    assert running.metric("vprkit_batch_size_count") < 36
    assert max(answer["timing"]["batch"] for _, answer in answers) <= 8

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
    assert "the token cannot be read" in refused("serve", city.folder, "--token-file", tmp_path / "none")
    (tmp_path / "token").write_text("short\n")
    assert "8 or more" in refused("serve", city.folder, "--token-file", tmp_path / "token")
    assert "no address of tiles" in refused("serve", city.folder, "--tiles", "tiles.example")
    assert "no confidence to be rejected by" in refused("serve", city.folder, "--reject", "0.5", "--port", "0")


def test_a_missing_package_is_named(city, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert 'pip install "vprkit[serve]"' in refused("serve", city.folder)
