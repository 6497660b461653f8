"""A small gRPC service, in the clear, with every kind of call. Messages are bytes: no schema is needed to carry them.

    with GrpcService() as service, Weir(resources=[http("rpc", service.url, http2="prior-knowledge")]) as weir:
        GrpcClient(*weir.address("rpc"), weir.basic("ann")).unary("Echo", b"hello")
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent import futures

# Tests start programs while calls run; their forks are none of gRPC's business.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc

NAME = "weir.test.Pieces"
PATIENCE_SECONDS = 30
#: more than the 4 MiB of the default, for large messages
SIZES = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
DETAILS = b"\x08\x05\x12\x04gone\xff\x00"


class GrpcService:
    def __enter__(self) -> GrpcService:
        #: what became of calls that wait: "cancelled", or "forgotten" when nobody said so
        self.ended: queue.Queue[str] = queue.Queue()
        #: messages of a stream as they arrived, and calls that wait
        self.came: queue.Queue[bytes] = queue.Queue()
        self.server = grpc.server(futures.ThreadPoolExecutor(64), options=SIZES)
        kinds = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Metadata": grpc.unary_unary_rpc_method_handler(self.metadata),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Gather": grpc.stream_unary_rpc_method_handler(self.gather),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "FailLate": grpc.unary_stream_rpc_method_handler(self.fail_late),
            "FailEarly": grpc.stream_unary_rpc_method_handler(self.fail_early),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "WaitStream": grpc.unary_stream_rpc_method_handler(self.wait_stream),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, kinds),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.stop(0).wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def echo(self, message: bytes, _context) -> bytes:
        return message

    def metadata(self, _message: bytes, context) -> bytes:
        """The client's own, sorted; and some of ours in front and behind."""
        context.send_initial_metadata((("x-front", "a"), ("x-front-bin", b"\x00\xff,")))
        context.set_trailing_metadata((("x-behind", "b"), ("x-behind", "c"), ("x-behind-bin", b"\xfe\x01")))
        own = sorted((key, value) for key, value in context.invocation_metadata() if key.startswith("x-"))
        return repr(own).encode()

    def count(self, message: bytes, _context):
        for number in range(int(message)):
            yield b"%d" % number

    def gather(self, messages, _context) -> bytes:
        together = []
        for message in messages:
            together.append(message)
            self.came.put(message)
        return b"|".join(together)

    def talk(self, messages, context):
        """Each answer before the next question."""
        context.send_initial_metadata((("x-talks", "yes"),))
        for message in messages:
            yield message.upper()
            if message == b"enough":
                context.abort(grpc.StatusCode.OUT_OF_RANGE, "that was enough")

    def fail(self, message: bytes, context) -> bytes:
        """With the status that the message has as its number."""
        context.set_trailing_metadata((("grpc-status-details-bin", DETAILS), ("x-why", "because")))
        status = next(each for each in grpc.StatusCode if each.value[0] == int(message))
        context.abort(status, "caf\u00e9 100% gone\nfor good")

    def fail_late(self, message: bytes, context):
        yield from self.count(message, context)
        context.set_trailing_metadata((("grpc-status-details-bin", DETAILS),))
        context.abort(grpc.StatusCode.DATA_LOSS, "lost behind the last one")

    def fail_early(self, _messages, context) -> bytes:
        """Before anything of the request was read."""
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not now")

    def wait(self, _message: bytes, context) -> bytes:
        """Until the client has had enough."""
        ended = threading.Event()
        context.add_callback(ended.set)
        self.came.put(b"waits")
        ended.wait(PATIENCE_SECONDS)
        self.ended.put("cancelled" if ended.is_set() else "forgotten")
        return b"late"

    def wait_stream(self, message: bytes, context):
        yield b"first"
        yield self.wait(message, context)


class GrpcClient:
    """Calls by name. Each answer is what a client sees of it, to be compared."""

    def __init__(self, host: str, port: int, authorization: str | None = None):
        # A channel of its own: grpcio shares connections between equal ones.
        self.channel = grpc.insecure_channel(f"{host}:{port}", options=[*SIZES, ("grpc.use_local_subchannel_pool", 1)])
        self.metadata = (("authorization", authorization),) if authorization else ()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(self, *_) -> None:
        self.channel.close()

    def start(self, kind: str, method: str, argument, timeout: float = PATIENCE_SECONDS, metadata=()):
        """`kind` as grpcio has it: `unary_unary`, `stream_stream`, …"""
        call = getattr(self.channel, kind)(f"/{NAME}/{method}")
        call = call.future if kind.endswith("_unary") else call
        return call(argument, timeout=timeout, metadata=(*self.metadata, *metadata))

    def unary(self, method: str, message: bytes, **more) -> dict:
        return self.seen(self.start("unary_unary", method, message, **more))

    def gathered(self, method: str, messages, **more) -> dict:
        return self.seen(self.start("stream_unary", method, iter(messages), **more))

    def streamed(self, method: str, message: bytes, **more) -> dict:
        return self.seen(self.start("unary_stream", method, message, **more), many=True)

    @staticmethod
    def seen(call, many: bool = False) -> dict:
        answers = []
        try:
            if many:
                answers.extend(call)
            else:
                answers.append(call.result())
        except grpc.RpcError:
            pass
        return {"answers": answers, "code": call.code(), "details": call.details(),
                "front": own(call.initial_metadata()), "behind": own(call.trailing_metadata())}


def own(metadata) -> list[tuple[str, str | bytes]]:
    """What the service itself said: libraries add what they like."""
    return sorted((key, value) for key, value in metadata or () if key.startswith("x-") or key == "grpc-status-details-bin")
