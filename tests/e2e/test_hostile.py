"""Strangers' plugins, seen from outside: what one does in its sessions, others and the machine do not feel.

What a single guest can do, and what holds then, is tested in `host/guests/tests/it/hostile*.rs`; the table is in
`tests/guests/README.md`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg
import pytest
from weir import PLUGINS, Weir

# Time enough for a call on a busy machine, and little enough for a test.
LIMITS = {"limits": {"call_time": "400ms", "memory": "16MiB"}}
FILES = {"stranger": PLUGINS / "moody.wasm"}
#: seconds for a guest to use up its time on a busy machine, where it gives way at every tick
LONG = 120
#: what an instance, and all of a plugin together, may write at once, and per second
BURST, ALL_BURST, ALL_PER_SECOND = 200, 2_000, 100


@pytest.fixture(scope="module")
def weir(upstream):
    with Weir(upstream, pipeline=("postgres", "stranger"), default="deny", files=FILES, plugins={"stranger": LIMITS}) as running:
        yield running


def resident_kib(weir: Weir) -> int:
    lines = Path(f"/proc/{weir.process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1])


def said_by_plugins(weir: Weir) -> int:
    return weir.log.read_bytes().count(b'"flood ')


def test_what_a_plugin_writes_is_bounded_whatever_it_does(weir, connect):
    """10,000 lines in a call, from sessions that live and from instances that trap and come back fresh."""
    connections = [connect(weir.endpoint) for _ in range(4)]
    before, began = weir.log.stat().st_size, time.monotonic()
    dropped = weir.metric("weir_plugin_log_lines_dropped_total")
    for connection in connections:
        assert connection.execute("/* moody: flood */ select 1").fetchone() == (1,)
    assert said_by_plugins(weir) >= BURST
    for _ in range(15):
        for connection in connections:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("/* moody: flood-and-trap */ select 1")
    asked = 4 * 16 * 10_000
    written = said_by_plugins(weir)
    allowed = ALL_BURST + ALL_PER_SECOND * (time.monotonic() - began + 1)
    assert written <= allowed < asked, "each fresh instance writes its own burst"
    assert weir.metric("weir_plugin_log_lines_dropped_total") - dropped >= asked - written
    assert weir.log.stat().st_size - before < 16 << 20
    assert connections[0].execute("select 1").fetchone() == (1,)


def test_verdicts_that_change_are_carried_out_and_recorded_as_given(weir, connect, mark, reached):
    """The same statement, allowed and denied in turns: what was said of it, is what happens and what the trail says."""
    connection = connect(weir.endpoint)
    for turn in range(10):
        text = mark()
        statement = f"/* moody: flip */ select '{text}'"
        if turn % 2 == 0:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        else:
            assert connection.execute(statement).fetchone() == (text,)
        assert bool(reached(text)) == (turn % 2 == 1)

        def kinds() -> list[str]:
            told = [each["body"]["kind"] for each in weir.trail() if text in each.get("payload", {}).get("text", "")]
            return [kind for kind in told if kind in ("intent", "refused")]

        assert weir.wait_for("its record", kinds) == (["intent"] if turn % 2 else ["refused"])


def test_others_are_served_while_strangers_rage(weir, connect):
    """Four sessions loop, eat, dig and trap without pause; a fifth is answered, and the process stays what it was."""
    process, before = weir.process.pid, resident_kib(weir)
    raging, refused, wrong = threading.Event(), [0] * 4, []

    def rage(number: int, mood: str) -> None:
        connection = connect(weir.endpoint)
        while not raging.is_set():
            try:
                connection.execute(f"/* moody: {mood} */ select 1")
                wrong.append(f"{mood} was let through")
            except psycopg.errors.InsufficientPrivilege:
                refused[number] += 1
            except psycopg.Error as error:
                wrong.append(f"{mood}: {error!r}")
                return

    strangers = [threading.Thread(target=rage, args=each) for each in enumerate(("loop", "eat", "overflow", "trap"))]
    for stranger in strangers:
        stranger.start()
    try:
        weir.wait_for("each of them to be refused", lambda: min(refused) >= 1 or wrong, LONG)
        connection = connect(weir.endpoint)
        for number in range(100):
            assert connection.execute(f"select {number}").fetchone() == (number,)
        again = [count + 1 for count in refused]
        weir.wait_for("each to be refused again", lambda: wrong or all(now >= wanted for now, wanted in zip(refused, again)), LONG)
    finally:
        raging.set()
        for stranger in strangers:
            stranger.join()
    assert not wrong
    assert weir.process.poll() is None and weir.process.pid == process
    # Memory of each is bounded by its limit, and given back; a quarter of a gigabyte is for allocators.
    assert resident_kib(weir) - before < 256 << 10
