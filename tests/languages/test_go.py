"""What is Go's alone: bindings of its own, a runtime that collects and schedules, and WASI that ends inside the component."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT
from weir import BINARY, Weir

SDK = ROOT / "sdk/go"
ENVIRONMENT = {"WEIR_SDK_CACHE": str(ROOT / "tests/.cache/sdk")} | os.environ
#: the collector runs every few of them
OPERATIONS = 1000


def run(*command, **more) -> str:
    done = subprocess.run([str(each) for each in command], env=ENVIRONMENT, text=True, capture_output=True, **more)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def built(name: str, folder: Path) -> Path:
    run(SDK / "build", ROOT / "tests/languages/go" / name, folder / f"{name}.wasm")
    return folder / f"{name}.wasm"


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return built("probe", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def weir(upstream, probe):
    with Weir(upstream, pipeline=("postgres", "probe"), files={"probe": probe}, variables={"WEIR_TEST_SECRET": "of the gateway"}) as running:
        yield running


def psql(weir: Weir, *commands: str) -> subprocess.CompletedProcess:
    """All in one session."""
    return subprocess.run(["psql", "-X", "-At"], input=";\n".join(commands) + ";\n", env=weir.endpoint.environment(),
                          capture_output=True, text=True)


def tags(weir: Weir, mark: str) -> dict[str, str]:
    (record,) = [each for each in weir.trail(kind="intent") if mark in each["payload"]["text"]]
    return {each["name"]: each["value"] for each in record["payload"]["tags"]}


def test_the_bindings_are_those_of_the_contract(tmp_path):
    run(SDK / "bindings", tmp_path)
    made = {file.relative_to(tmp_path): file.read_text() for file in tmp_path.rglob("*.go")}
    generated = [file for file in SDK.rglob("*.go") if file.read_text().startswith("// Code generated")]
    assert len(made) > 10
    assert made == {file.relative_to(SDK): file.read_text() for file in generated}, "run sdk/go/bindings"


@pytest.mark.parametrize("kind", ["policy", "masker"])
def test_the_folder_to_begin_with_needs_no_checkout(kind, tmp_path):
    folder = tmp_path / "my-plugin"
    run(BINARY, "plugin", "new", "go", kind, "my-plugin", cwd=tmp_path)
    run(folder / "weir-sdk/sdk/go/go", "test", cwd=folder)
    run(folder / "weir-sdk/sdk/go/go", "vet", cwd=folder)
    run(BINARY, "plugin", "build", folder)
    assert json.loads(run(BINARY, "plugin", "test", "--json", folder))["failed"] == 0
    seen = json.loads(run(BINARY, "plugin", "inspect", "--json", folder))
    assert (seen["world"], seen["problem"], seen["capabilities"]) == (kind, None, [])
    assert {each.split("@")[0] for each in seen["imports"]} <= {"weir:plugin/host-log", "weir:plugin/types"}, "no WASI"


def test_what_was_not_registered_or_is_not_imported_does_not_build(tmp_path):
    run(BINARY, "plugin", "new", "go", "policy", "my-plugin", cwd=tmp_path)
    world = tmp_path / "my-plugin/world.wit"
    world.write_text(world.read_text().replace("weir:plugin/decide@", "weir:plugin/mask@"))
    done = subprocess.run([BINARY, "plugin", "build", tmp_path / "my-plugin"], env=ENVIRONMENT, text=True, capture_output=True)
    assert done.returncode != 0 and "does not fit its world.wit" in done.stderr


def test_there_is_nothing_behind_and_every_session_draws_the_same(weir):
    for mark in ("first", "second"):
        assert psql(weir, f"select 'look {mark}'").stdout.strip() == f"look {mark}"
    first, second = tags(weir, "first"), tags(weir, "second")
    assert (first["variables"], first["arguments"], first["input"], first["wall"]) == ("[]", "0", "[]", "0")
    for name in ("folder", "read", "write"):
        assert first[name] == "*fs.PathError", (name, first[name])
    assert (first["connect"], first["resolve"]) == ("*net.OpError", "*net.DNSError")
    assert len(first["chance"]) == 16 and first == second
    # What is printed may hold values: it is for whoever asks for debug lines.
    assert "a value that somebody printed" not in weir.log.read_text()


def test_what_is_printed_are_whole_lines_for_whoever_debugs(upstream, probe):
    with Weir(upstream, pipeline=("postgres", "probe"), files={"probe": probe}, log_level="debug") as weir:
        psql(weir, "select 'fatal'")
        # The runtime writes its last words in pieces.
        for line in ("a value that somebody printed", "fatal error: sync: unlock of unlocked mutex"):
            (said,) = [each for each in map(json.loads, weir.log.read_text().splitlines()) if each["message"] == line]
            assert (said["level"], said["plugin"]) == ("DEBUG", "probe")


@pytest.mark.parametrize("word, told", [
    ("stumble", "decide: panic: runtime.errorString at plugin.go:"),
    ("object", "decide: error: *errors.errorString"),
    ("fault", "decide: no-way: it is told in words"),
])
def test_errors_and_panics_refuse_are_told_by_kind_and_place_and_the_instance_goes_on(weir, word, told):
    done = psql(weir, "select 'before'", f"select '{word}'", "select 'after'")
    assert done.stdout.split() == ["before", "after"] and "HINT:  weir: plugin-fault" in done.stderr
    (refused,) = weir.trail(kind="refused")
    assert told in str(refused) and "somebody" not in str(refused)


@pytest.mark.parametrize("word, code", [
    ("leave", "plugin-trap"), ("deadlock", "plugin-trap"), ("fatal", "plugin-trap"), ("recurse", "plugin-trap"), ("exhaust", "plugin-memory"),
])
def test_what_stops_the_program_refuses_and_the_next_operation_is_judged(weir, word, code):
    done = psql(weir, "select 'before'", f"select '{word}'", "select 'after'")
    assert done.stdout.split() == ["before", "after"], done.stderr
    assert f"HINT:  weir: {code}" in done.stderr


def test_who_sleeps_is_awake_at_once_and_meanwhile_others_run(weir):
    done = psql(weir, "select 'start'", "select 'hang'", "select 'last'")
    assert done.stdout.split() == ["start", "hang", "last"], done.stderr
    # The goroutine of the first operation counts an hour when a later one sleeps as long.
    assert tags(weir, "start")["ticks"] == "0" and int(tags(weir, "hang")["ticks"]) >= 1


def test_what_is_remembered_stays_what_it_was_over_many_collections(weir):
    done = psql(weir, *(f"select 'number {number} {'x' * (number % 7000)}' is null" for number in range(OPERATIONS)))
    assert done.stderr == "" and done.stdout.split() == ["f"] * OPERATIONS


class Origin(BaseHTTPRequestHandler):
    asked: list[tuple[dict, bytes]] = []

    def do_POST(self) -> None:
        self.asked.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(203)
        self.send_header("x-answer", "größe".encode().decode("latin-1"))
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"low")

    def log_message(self, *_) -> None:
        pass


def test_all_that_can_be_granted_works(upstream, tmp_path):
    granted = built("granted", tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Origin) as server:
        threading.Thread(target=server.serve_forever).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        table = {"capabilities": ["clock", "random", "key-value", "metrics"], "http": [origin], "settings": {"origin": origin}}
        try:
            with Weir(upstream, pipeline=("postgres", "granted"), files={"granted": granted}, plugins={"granted": table}) as weir:
                done = psql(weir, *["select 'everything'"] * 3)
                assert done.stderr == "" and done.stdout.split() == ["everything"] * 3
                said = [{each["name"]: each["value"] for each in record["payload"]["tags"]} for record in weir.trail(kind="intent")]
                assert weir.metric('weir_plugin_own_total{plugin="granted",name="asked"}') == 9
                assert weir.metric('weir_plugin_own{plugin="granted",name="half"}') == 0.5
                assert "größer" in weir.log.read_text()
        finally:
            server.shutdown()
    expected = {"later": "true", "bytes": "4096 false", "nothing": "true", "large": "true", "empty": "true", "delete": "true",
                "no-number": "key-value-type", "answer": "203 low", "header": "größe", "elsewhere": "http-denied"}
    for number, each in enumerate(said, start=1):
        assert int(each["year"]) > 2023 and each["sum"] == str(number * (1 << 40) - 7 * number)
        assert {name: each[name] for name in expected} == expected
    assert [headers["x-two"] for headers, _ in Origin.asked] == ["zwei"] * 3
    assert {body for _, body in Origin.asked} == {b"0123456789abcdef" * 4096}
