"""Recorded before it happens: after kill -9 at any moment, and while nothing can be written."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
import uuid

import psycopg
import pytest
import wire
from weir import Weir
from wire import Wire, errors, extended, query, rows, tags

MARK = re.compile(r"mark-[0-9a-f]{32}")
ROUNDS = 4
# A write beyond the limit must fail, not end the process.
LIMITABLE = ("sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh")


def new_mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


class Load:
    """Clients that send statements with unique texts, each in its own way, until the connection breaks."""

    def __init__(self, weir: Weir, name: str):
        self.weir, self.name, self.done = weir, name, 0
        ways = (self.simple, self.with_parameters, self.inserts, self.batches, self.several, self.transactions)
        self.threads = [threading.Thread(target=self.run, args=(way, number)) for number, way in enumerate(ways)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        for thread in self.threads:
            thread.join(30)

    def run(self, way, number: int) -> None:
        application = f"{self.name}-{number}"
        with contextlib.suppress(psycopg.Error, OSError, wire.Closed), \
                Wire(self.weir.endpoint, application_name=application) as client:
            while True:
                way(client)
                self.done += 1

    def simple(self, client: Wire) -> None:
        client.ask_text(f"select '{new_mark()}'")

    def with_parameters(self, client: Wire) -> None:
        client.ask(extended(f"select $1::text /* {new_mark()} */", "value"), wire.SYNC)

    def inserts(self, client: Wire) -> None:
        client.ask_text(f"insert into marks values ('{new_mark()}')")

    def batches(self, client: Wire) -> None:
        client.ask(*(extended(f"select '{new_mark()}'") for _ in range(10)), wire.SYNC)

    def several(self, client: Wire) -> None:
        client.send(*(query(f"select '{new_mark()}'; insert into marks values ('{new_mark()}')") for _ in range(5)))
        client.until_ready(5)

    def transactions(self, client: Wire) -> None:
        client.ask_text("begin")
        client.ask_text(f"update marks set value = value where value = '{new_mark()}'")
        client.ask_text("commit")


@pytest.fixture(scope="module")
def marks(server):
    server.sql("create table marks (value text)", "customers")
    yield
    server.sql("drop table marks", "customers")


def test_everything_that_ran_is_in_the_trail_after_kill_9(gateway, server, marks, reached):
    weir = gateway(pipeline=("postgres", "sql-guard"), default="deny", plugins={"sql-guard": {"settings": {"functions": ["pg_sleep"]}}})
    for number in range(ROUNDS):
        name = f"load-{uuid.uuid4().hex[:8]}"
        with Load(weir, name) as load:
            with Wire(weir.endpoint, application_name=f"{name}-sleeper") as sleeper:
                sleeps = new_mark()
                sleeper.send(query(f"select pg_sleep(1) /* {sleeps} */"))
                weir.wait_for("the sleeper to sleep", lambda: reached(sleeps))
                enough = load.done + 60 + 37 * number
                weir.wait_for("some load", lambda: load.done > enough)
                weir.kill()
        still_there = f"select count(*) from pg_stat_activity where application_name like '{name}-%'"
        weir.wait_for("PostgreSQL to finish what it has", lambda: server.sql(still_there) == "0")
        weir.start()

        lines = [line for line in server.log.read_text(errors="replace").splitlines() if line.startswith(name)]
        executed = {mark for line in lines for mark in MARK.findall(line)}
        assert len(executed) > 60, "the load was no load"
        trail = weir.trail()
        intents = [each for each in trail if each["body"]["kind"] == "intent"]
        recorded = {mark for intent in intents for mark in MARK.findall(intent["payload"]["text"])}
        assert executed - recorded == set(), "executed and not recorded"

        ended = [(each["body"]["session"], each["body"]["operation"]) for each in trail if each["body"]["kind"] == "outcome"]
        begun = [(each["body"]["session"], each["body"]["operation"]) for each in intents]
        assert sorted(ended) == sorted(begun), "every intent has one outcome"
        unknown = [each for each in trail if each["body"].get("status") == "unknown" and each["body"]["kind"] == "outcome"]
        assert unknown, "the sleeper was not at its end"
        recovered = [each["body"]["detail"]["operations"] for each in trail if each["body"]["kind"] == "recovered"]
        assert sum(recovered) == len(unknown) and len(recovered) == number + 1
        weir.command("audit", "verify")


def test_what_is_answered_is_recorded_in_order(gateway, mark):
    """An answered operation's intent stands before its outcome, whoever else writes meanwhile."""
    weir = gateway(pipeline=("postgres",))
    texts = [mark() for _ in range(50)]
    with Wire(weir.endpoint) as client:
        said = client.ask(*(extended(f"select '{text}'") for text in texts), wire.SYNC)
        assert rows(said) == [(text,) for text in texts]
    weir.wait_for("the outcomes", lambda: len(weir.trail(kind="outcome")) == len(texts))
    places = {}
    for each in weir.trail():
        places.setdefault(each["body"].get("operation"), []).append(each["body"]["kind"])
    assert all(kinds == ["intent", "outcome"] for operation, kinds in places.items() if operation is not None)


# --- nothing can be written


class SizeLimit:
    """No process may write to a file any more: by a limit of the kernel, which works everywhere."""

    def __init__(self, weir: Weir):
        self.weir = weir

    def _set(self, soft: str) -> None:
        subprocess.run(["prlimit", f"--pid={self.weir.process.pid}", f"--fsize={soft}:unlimited"], check=True)

    def fill(self) -> None:
        self._set("0")

    def free(self) -> None:
        self._set("unlimited")


def health(weir: Weir) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{weir.admin_port}/healthz", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def not_recorded(error: wire.Message) -> bool:
    return error.sqlstate == "58030" and error.text == "the operation could not be recorded, so it was not run"


def test_nothing_runs_while_nothing_can_be_recorded(gateway, reached, mark):
    weir = gateway(pipeline=("postgres", "sql-guard"), default="deny", wrap=LIMITABLE)
    disk = SizeLimit(weir)
    before, simple, bound, later, after = (mark() for _ in range(5))
    with Wire(weir.endpoint) as client, Wire(weir.endpoint) as inside:
        client.ask_text(f"select '{before}'")
        inside.ask_text("begin")
        disk.fill()
        said = client.ask_text(f"select '{simple}'")
        assert tags(said) == "EZ" and not_recorded(errors(said)[0]) and said[-1].body == b"I"
        said = client.ask(extended(f"select '{bound}'"), extended(f"select '{later}'"), wire.SYNC)
        assert tags(said) == "EZ" and not_recorded(errors(said)[0])
        said = inside.ask_text(f"select '{later}'")
        assert not_recorded(errors(said)[0]) and said[-1].body == b"E", "a transaction fails with it"
        # A refusal by policy stays one, recorded or not.
        assert tags(client.ask_text("do $$ begin end $$")) == "EZ"
        weir.wait_for("bad health", lambda: health(weir) == 503)
        with pytest.raises(wire.Refused):
            Wire(weir.endpoint)
        assert reached(before) and not reached(simple) and not reached(bound) and not reached(later)
        disk.free()
        weir.wait_for("good health", lambda: health(weir) == 200)
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
        assert inside.ask_text("rollback")[-1].body == b"I"
    assert reached(after)
    gaps = weir.wait_for("the gap's record", lambda: weir.trail(kind="gap"))
    assert sum(gap["body"]["detail"]["events"] for gap in gaps) >= 4
    # When the trail is back, each session tells what it has refused meanwhile.
    refusals = {"trail": [], "policy": []}
    for each in weir.trail(kind="refused"):
        refusals[each["body"]["detail"]["by"]].append(each["payload"]["text"])
    marks = MARK.findall(" ".join(refusals["trail"]))
    assert sorted(marks) == sorted([simple, bound, later, later]) and refusals["policy"] == ["do $$ begin end $$"]
    weir.command("audit", "verify")


def test_disk_gets_full_while_an_operation_runs(gateway, server, reached, mark):
    """It has happened, so the client gets its answer; nothing new runs before the trail works again."""
    weir = gateway(pipeline=("postgres",), wrap=LIMITABLE)
    disk = SizeLimit(weir)
    running, refused, after = mark(), mark(), mark()
    with Wire(weir.endpoint) as client, psycopg_session(server) as keeper:
        keeper.execute("select pg_advisory_lock(4711)")
        client.send(query(f"select pg_advisory_lock_shared(4711), '{running}'"))
        weir.wait_for("the statement to run", lambda: reached(running))
        disk.fill()
        keeper.execute("select pg_advisory_unlock(4711)")
        assert rows(client.until_ready()) == [("", running)]
        assert not_recorded(errors(client.ask_text(f"select '{refused}'"))[0])
        disk.free()
        weir.wait_for("good health", lambda: health(weir) == 200)
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
    assert not reached(refused)
    (intent,) = [each for each in weir.trail(kind="intent") if running in each["payload"]["text"]]
    # Its outcome was lost with the write that found the disk full, and brought again before anything new ran.
    (outcome,) = outcomes_of(weir, intent)
    (later,) = [each for each in weir.trail(kind="intent") if after in each["payload"]["text"]]
    assert outcome["body"]["status"] == "ok" and outcome["seq"] < later["seq"]
    assert weir.trail(kind="gap")
    weir.command("audit", "verify")


def outcomes_of(weir: Weir, intent: dict) -> list[dict]:
    return weir.trail(kind="outcome", session=intent["body"]["session"], operation=intent["body"]["operation"])


def psycopg_session(server) -> psycopg.Connection:
    return psycopg.connect(host="127.0.0.1", port=server.port, user=server.superuser, password=server.password,
                           dbname="customers", sslmode="disable", autocommit=True)


def test_approval_that_cannot_be_recorded_approves_nothing(gateway, server, reached, mark):
    weir = gateway(pipeline=("postgres", "sql-guard"), default="deny", wrap=LIMITABLE)
    disk, text = SizeLimit(weir), mark()
    with Wire(weir.endpoint) as client:
        client.send(query(f"truncate api_keys /* {text} */"))
        notice = client.until("N")[-1]
        identifier = notice.text.split()[4].rstrip(":")
        disk.fill()
        refused = weir.as_person("lea", "approvals", "approve", identifier, check=False)
        assert refused.returncode != 0 and "recorded" in refused.stderr
        disk.free()
        weir.wait_for("good health", lambda: health(weir) == 200)
        weir.as_person("lea", "approvals", "deny", identifier)
        assert tags(client.until_ready()) == "EZ"
    assert not reached(text)


def test_session_whose_end_cannot_be_recorded_is_not_killed(gateway):
    weir = gateway(pipeline=("postgres",), wrap=LIMITABLE)
    disk = SizeLimit(weir)
    with Wire(weir.endpoint) as client:
        (opened,) = weir.trail(kind="session-opened")
        disk.fill()
        refused = weir.command("sessions", "kill", opened["body"]["session"], check=False)
        assert refused.returncode != 0 and "recorded" in refused.stderr
        disk.free()
        weir.wait_for("good health", lambda: health(weir) == 200)
        assert rows(client.ask_text("select 1")) == [("1",)]


def test_session_cut_at_the_end_of_the_drain_time(gateway, reached, mark):
    weir = gateway(pipeline=("postgres",), sections={"server": {"drain_timeout": "1s"}})
    text = mark()
    with Wire(weir.endpoint) as client:
        client.send(query(f"select pg_sleep(60) /* {text} */"))
        weir.wait_for("the statement to run", lambda: reached(text))
        weir.process.send_signal(signal.SIGTERM)
        (error,) = errors(client.until_closed())
        assert (error.sqlstate, error.text) == ("57P01", "the gateway is shutting down")
    assert weir.process.wait(20) == 0
    (ended,) = weir.trail(kind="session-ended")
    assert ended["body"]["status"] == "cut-short"


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no permission to mount; the tests with a limit of the kernel cover the same: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_disk_that_is_really_full(gateway, reached, small_disk, mark):
    weir = gateway(pipeline=("postgres",), state=small_disk / "state")
    ballast = small_disk / "ballast"
    with Wire(weir.endpoint) as client:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 65536):
                pass
        # What files already occupy is still theirs: large records use it up.
        for _ in range(200):
            text = mark()
            said = client.ask_text(f"select '{text}' /* {'x' * 262144} */")
            if errors(said):
                break
            assert reached(text)
        assert not_recorded(errors(said)[0]) and tags(said) == "EZ"
        assert not reached(text)
        weir.wait_for("bad health", lambda: health(weir) == 503)
        ballast.unlink()
        weir.wait_for("good health", lambda: health(weir) == 200)
        after = mark()
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
    weir.wait_for("the gap's record", lambda: weir.trail(kind="gap"))
    weir.command("audit", "verify")


def test_gateway_that_cannot_write_does_not_start(gateway, small_disk):
    weir = gateway(start=False, pipeline=("postgres",), state=small_disk / "state")
    weir.prepare()
    with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with pytest.raises(RuntimeError, match="weir left with exit code"):
        weir.start()
    (small_disk / "ballast").unlink()
    weir.start()
    with Wire(weir.endpoint) as client:
        assert rows(client.ask_text("select 1")) == [("1",)]
