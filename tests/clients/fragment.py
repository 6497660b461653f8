#!/usr/bin/env python3
"""A TCP proxy that cuts a stream into pieces no client would send, to stand in front of a gateway.

    fragment.py --to 127.0.0.1:6432            client → server one byte per write, answers unchanged
    fragment.py --to 127.0.0.1:6432 --both     both directions one byte per write
    fragment.py --to 127.0.0.1:6432 --merge    both directions glued: many messages in one write
    fragment.py --to 127.0.0.1:6432 --plain    both directions unchanged

Prints `listening on HOST:PORT` once it accepts connections. Stops on SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from endpoint import parse_address

READ_BYTES = 64 * 1024
YIELD_EVERY = 512  # bytes cut in one go before other connections get their turn
MERGE_QUIET_SECONDS = 0.003  # a stream is "quiet" when nothing came for so long; then what was glued goes out


async def whole(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(source, READ_BYTES):
        await loop.sock_sendall(sink, chunk)


async def byte_by_byte(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(source, READ_BYTES):
        for at in range(len(chunk)):
            piece = chunk[at:at + 1]
            try:
                sink.send(piece)
            except BlockingIOError:
                await loop.sock_sendall(sink, piece)
            if at % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)


async def glued(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while pile := await loop.sock_recv(source, READ_BYTES):
        while len(pile) < READ_BYTES:
            await asyncio.sleep(MERGE_QUIET_SECONDS)
            try:
                more = source.recv(READ_BYTES)
            except BlockingIOError:
                break
            if not more:
                break  # the end shows again in the outer loop
            pile += more
        await loop.sock_sendall(sink, pile)


async def pump(move, source: socket.socket, sink: socket.socket) -> None:
    """One direction, with its end passed on as an end and not as a reset."""
    await move(source, sink)
    with contextlib.suppress(OSError):  # the other side may be gone altogether
        sink.shutdown(socket.SHUT_WR)


async def relay(client: socket.socket, to: tuple[str, int], upward, downward) -> None:
    with client:
        try:
            server = await connect(to)
        except OSError as problem:
            print(f"fragment: cannot reach {to[0]}:{to[1]}: {problem}", file=sys.stderr, flush=True)
            reset(client)
            return
        with server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(pump(upward, client, server))
                    both.create_task(pump(downward, server, client))
            except* OSError:  # one side reset the connection: so do we, to both
                reset(client)
                reset(server)


async def connect(to: tuple[str, int]) -> socket.socket:
    # The name is resolved here and in turn, since a name like localhost may have an address nobody listens on.
    loop = asyncio.get_running_loop()
    problem = OSError("no address")
    for family, kind, _, _, address in await loop.getaddrinfo(*to, type=socket.SOCK_STREAM):
        server = socket.socket(family, kind)
        server.setblocking(False)
        try:
            await loop.sock_connect(server, address)
            return server
        except OSError as refused:
            server.close()
            problem = refused
    raise problem


def reset(connection: socket.socket) -> None:
    """Makes the coming close() a TCP reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def serve(listen: tuple[str, int], to: tuple[str, int], upward, downward) -> None:
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, me.cancel)
    relays = set()
    with socket.create_server(listen, backlog=1024) as door, contextlib.suppress(asyncio.CancelledError):
        door.setblocking(False)
        host, port = door.getsockname()[:2]
        print(f"listening on {host}:{port}", flush=True)
        while True:
            client, _ = await loop.sock_accept(door)
            client.setblocking(False)
            task = loop.create_task(relay(client, to, upward, downward))
            relays.add(task)
            task.add_done_callback(relays.discard)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where the server is")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one (default)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--both", action="store_true", help="cut both directions")
    how.add_argument("--merge", action="store_true", help="glue both directions instead of cutting")
    how.add_argument("--plain", action="store_true", help="change nothing")
    asked = parser.parse_args()
    if asked.merge:
        upward, downward = glued, glued
    elif asked.plain:
        upward, downward = whole, whole
    else:
        upward, downward = byte_by_byte, byte_by_byte if asked.both else whole
    try:
        listen, to = parse_address(asked.listen), parse_address(asked.to)
    except ValueError as problem:
        parser.error(str(problem))
    asyncio.run(serve(listen, to, upward, downward))


if __name__ == "__main__":
    main()
