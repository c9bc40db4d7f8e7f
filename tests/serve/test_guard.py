"""One request's life: too large, too slow, too many, and gone."""

import asyncio

import pytest

from vprkit.errors import DataError
from vprkit.serve import asgi
from vprkit.serve.guard import PLAIN_BYTES, Guard, Traffic
from vprkit.serve.settings import Limits


class Conversation:
    """A request by hand: messages to be received, those that were sent."""

    def __init__(self, *messages, path="/locate", headers=(), method="POST"):
        self.scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        self.left = [{"type": "http.request", **message} for message in messages]
        self.sent = []
        self.gone = asyncio.Event()

    async def receive(self):
        if self.left:
            return self.left.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def said(self):
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])


async def reading(scope, receive, send):
    """An application that reads the whole body and says how long it is."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def converse(app, *conversations, limits=None, most=4, traffic=None, before=None):
    async def all_of_them():
        guard = Guard(app, traffic or Traffic(most), limits or Limits(), {"/locate": 1000})
        tasks = [asyncio.create_task(guard(one.scope, one.receive, one.send)) for one in conversations]
        if before is not None:
            await before(guard)
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(all_of_them(), 20))


def test_a_body_is_passed_on():
    one = Conversation({"body": b"x" * 600, "more_body": True}, {"body": b"y" * 400})
    converse(reading, one)
    assert (one.status, one.said) == (200, "1000")


def test_a_body_that_is_too_long_is_not_held(monkeypatch):
    held = []

    async def remembering(scope, receive, send):
        while True:
            held.append(len((await receive())["body"]))

    one = Conversation(*[{"body": b"x" * 400, "more_body": True}] * 50, {"body": b""})
    converse(remembering, one)
    assert one.status == 413 and "larger than 0.001 MB" in one.said and sum(held) <= 1000
    said = Conversation({"body": b"x" * 4000}, headers=[(b"content-length", b"4000")])
    converse(remembering, said)
    assert said.status == 413 and sum(held) <= 1000
    plain = Conversation({"body": b"x" * (PLAIN_BYTES + 1)}, path="/search")
    converse(remembering, plain)
    assert plain.status == 413


def test_a_refused_upload_is_read_on_for_a_while_only(monkeypatch):
    monkeypatch.setattr(asgi, "LINGER_SECONDS", 0.05)
    silent = Conversation({"body": b"x" * 2000, "more_body": True}, headers=[(b"transfer-encoding", b"chunked")])
    converse(reading, silent)
    assert silent.status == 413 and silent.headers[b"connection"] == b"close"
    monkeypatch.setattr(asgi, "LINGER_BYTES", 3000)
    endless = Conversation(*[{"body": b"x" * 2000, "more_body": True}] * 9, headers=[(b"transfer-encoding", b"x")])
    converse(reading, endless)
    assert endless.status == 413 and len(endless.left) >= 6


def test_slow_answers_and_slow_uploads_are_ended():
    stopped = []
    slow_answer, slow_upload = Conversation({"body": b""}), Conversation({"body": b"x", "more_body": True})

    async def slow_app(scope, receive, send):
        await receive()
        if scope is slow_upload.scope:
            await receive()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(scope["path"])
            raise

    converse(slow_app, slow_answer, slow_upload, limits=Limits(seconds=0.1))
    assert slow_answer.status == 504 and "no answer within 0.1 seconds" in slow_answer.said
    assert slow_upload.status == 408 and stopped == ["/locate"]


def test_too_many_questions_are_refused_at_once():
    traffic = Traffic(2)
    release = None

    async def waiting(scope, receive, send):
        await release.wait()
        await reading(scope, receive, send)

    async def release_later(guard):
        nonlocal release
        release = asyncio.Event()
        await asyncio.sleep(0.05)
        assert (traffic.questions, traffic.requests) == (2, 3)
        release.set()

    questions = [Conversation({"body": b""}) for _ in range(4)]
    other = Conversation({"body": b""}, method="GET", path="/about")
    converse(waiting, *questions, other, traffic=traffic, before=release_later)
    assert sorted(one.status for one in questions) == [200, 200, 503, 503] and other.status == 200
    refused = next(one for one in questions if one.status == 503)
    assert refused.headers[b"retry-after"] == b"1" and "2 questions are in work already" in refused.said
    assert traffic.questions == traffic.requests == 0


def test_who_goes_away_ends_the_work():
    traffic, ended = Traffic(2), []

    async def working(scope, receive, send):
        await receive()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    one = Conversation({"body": b""})

    async def leave(guard):
        await asyncio.sleep(0.05)
        assert not ended
        one.gone.set()

    converse(working, one, traffic=traffic, before=leave)
    assert ended == [True] and not one.sent and not traffic.requests


def test_while_it_stops_only_health_is_told():
    traffic = Traffic(2)
    traffic.stopping = True
    question, health = Conversation({"body": b""}), Conversation({"body": b""}, method="GET", path="/healthz")
    converse(reading, question, health, traffic=traffic)
    assert question.status == 503 and question.headers[b"connection"] == b"close" and health.status == 200


def test_errors_of_the_library_keep_their_sentence():
    async def failing(scope, receive, send):
        raise DataError("no image passes")

    one = Conversation({"body": b""})
    converse(failing, one)
    assert (one.status, one.said) == (422, '{"error": "no image passes"}')


def test_an_answer_that_was_begun_is_not_answered_again():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    one = Conversation({"body": b""})
    converse(half, one)
    assert len(one.sent) == 1 and one.status == 200


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_what_is_no_request_passes(kind):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    one = Conversation()
    one.scope["type"] = kind
    converse(app, one)
    assert seen == [kind]
