"""gRPC behind the gateway: the same calls direct and through it give the same results."""

from __future__ import annotations

import queue
import threading

import grpc
import pytest
from grpc_service import GrpcClient, GrpcService
from http2_upstream import Http2Upstream
from weir import Weir, http

UNSEEN = {"http-api": {"settings": {"unseen_bodies": "allow"}}}
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def service():
    with GrpcService() as running:
        yield running


@pytest.fixture(scope="module")
def weir(service):
    with Weir(resources=[http("rpc", service.url, http2="prior-knowledge")], plugins=UNSEEN) as running:
        yield running


@pytest.fixture
def through(weir, service):
    forget(service)
    with GrpcClient(*weir.address("rpc"), weir.basic("ann")) as client:
        yield client


@pytest.fixture
def direct(service):
    with GrpcClient("127.0.0.1", service.port) as client:
        yield client


def forget(service: GrpcService) -> None:
    for line in (service.came, service.ended):
        while not line.empty():
            line.get_nowait()


CALLS = {
    "unary": lambda client: client.unary("Echo", b"hello \x00\xff"),
    "nothing": lambda client: client.unary("Echo", b""),
    "large": lambda client: client.unary("Echo", bytes(range(256)) * (1 << 17)),
    "metadata": lambda client: client.unary("Metadata", b"", metadata=(("x-own", "a, b"), ("x-own", "c"), ("x-own-bin", b"\x00\xff\x80"))),
    "server streaming": lambda client: client.streamed("Count", b"500"),
    "a stream of nothing": lambda client: client.streamed("Count", b"0"),
    "client streaming": lambda client: client.gathered("Gather", [b"%d" % number for number in range(500)]),
    "no message at all": lambda client: client.gathered("Gather", []),
    "large messages in a stream": lambda client: client.gathered("Gather", [b"a" * (2 << 20)] * 8),
    **{f"status {code.name}": lambda client, code=code: client.unary("Fail", b"%d" % code.value[0])
       for code in grpc.StatusCode if code is not grpc.StatusCode.OK},
    "a failure behind messages": lambda client: client.streamed("FailLate", b"3"),
    "a failure before the request ends": lambda client: client.gathered("FailEarly", [b"a"]),
    "no such method": lambda client: client.unary("Nothing", b""),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_gives_what_it_gives_directly(direct, through, call):
    expected = call(direct)
    assert call(through) == expected


def test_both_sides_talk_at_once(through):
    """Each question is asked only when the answer to the one before is here."""
    questions = queue.Queue()
    call = through.start("stream_stream", "Talk", iter(questions.get, None))
    # Before the first question: the head does not wait for one.
    assert ("x-talks", "yes") in [tuple(each) for each in call.initial_metadata()]
    for number in range(50):
        questions.put(b"q%d" % number)
        assert next(call) == b"Q%d" % number
    questions.put(None)
    assert list(call) == [] and call.code() is grpc.StatusCode.OK


def test_the_service_ends_a_talk_that_goes_on(through):
    questions = queue.Queue()
    call = through.start("stream_stream", "Talk", iter(questions.get, None))
    questions.put(b"enough")
    assert next(call) == b"ENOUGH"
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code(), call.details()) == (grpc.StatusCode.OUT_OF_RANGE, "that was enough")
    questions.put(None)


def test_messages_pass_as_they_come(service, through):
    """The second message is only sent when the first is there."""
    messages = queue.Queue()
    call = through.start("stream_unary", "Gather", iter(messages.get, None))
    for text in (b"one", b"two", b"three"):
        messages.put(text)
        assert service.came.get(timeout=PATIENCE_SECONDS) == text
    messages.put(None)
    assert call.result() == b"one|two|three"


@pytest.mark.parametrize("kind, method", [("unary_unary", "Wait"), ("unary_stream", "WaitStream")])
def test_a_cancelled_call_is_cancelled_there_too(service, through, kind, method):
    call = through.start(kind, method, b"")
    if kind == "unary_stream":
        assert next(call) == b"first"
    service.came.get(timeout=PATIENCE_SECONDS)
    call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    assert service.ended.get(timeout=PATIENCE_SECONDS) == "cancelled"


def test_a_deadline_passes(service, through):
    call = through.start("unary_unary", "Wait", b"", timeout=0.5)
    with pytest.raises(grpc.RpcError):
        call.result()
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert service.ended.get(timeout=PATIENCE_SECONDS) == "cancelled"


def test_a_cancelled_request_is_not_taken_for_whole():
    """A stream of messages that is cancelled is reset there, never ended well. (grpcio's own server confuses the two.)"""
    with Http2Upstream() as upstream, Weir(resources=[http("rpc", upstream.url, http2="prior-knowledge")], plugins=UNSEEN) as weir:
        for _ in range(20):
            messages = queue.Queue()
            with GrpcClient(*weir.address("rpc"), weir.basic("ann")) as client:
                call = client.start("stream_unary", "Gather", iter(messages.get, None))
                messages.put(b"half")
                assert upstream.next()[0] == "head" and upstream.next() == ("data", b"\0\0\0\0\4half")
                call.cancel()
                assert upstream.next()[0] == "reset"
                messages.put(None)


def test_many_calls_at_once(through):
    """More than one connection carries at a time; each gets its own answer."""
    wrong = []

    def many(number: int) -> None:
        for turn in range(10):
            message = b"%d %d" % (number, turn)
            kinds = [through.unary("Echo", message), through.gathered("Gather", [message])]
            wrong.extend(each for each in kinds if each["answers"] != [message])

    threads = [threading.Thread(target=many, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_call_is_in_the_trail(weir, through):
    through.unary("Echo", b"recorded")
    texts = [each["payload"]["text"] for each in weir.trail(kind="intent")]
    assert "POST /weir.test.Pieces/Echo" in texts


def test_who_may_not_call_is_told_so_in_grpc(weir):
    with GrpcClient(*weir.address("rpc"), "Basic d3Jvbmc6d3Jvbmc=") as client:
        assert client.unary("Echo", b"")["code"] is grpc.StatusCode.UNAUTHENTICATED
