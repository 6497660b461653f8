"""What plugins may touch beyond their input: nothing that is not granted, and of what is granted no more than is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import PLUGINS
from weir import Weir
from wire import Wire, errors, query

ALL = ["random", "key-value", "metrics"]


class Risk(BaseHTTPRequestHandler):
    """Answers what the path says."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict, bytes]] = []
    patience = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((self.path, dict(self.headers), body))
        if self.path in ("/late", "/patient"):
            self.patience.wait(20)
        status, text = {"/teapot": (418, "short and stout"), "/large": (200, "x" * (2 << 20))}.get(self.path, (200, "low"))
        self.send_response(302 if self.path == "/elsewhere" else status)
        if self.path == "/elsewhere":
            self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text.encode())
        except BrokenPipeError:
            pass  # nobody waits for it any more

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def risk():
    Risk.asked, Risk.patience = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Risk) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Risk.patience.set()
        server.shutdown()


def house(upstream, capabilities=ALL, http=("http://127.0.0.1:1",), risk="", **more) -> Weir:
    return Weir(upstream, pipeline=("postgres", "granted"), files={"granted": PLUGINS / "granted.wasm"}, **more,
                plugins={"granted": {"capabilities": list(capabilities), "http": list(http), "settings": {"risk": risk}}})


def do(weir: Weir, what: str) -> str:
    with Wire(weir.endpoint) as wire:
        assert errors(wire.ask_text(f"select 1 /* {what} */")) == []
    tags = [each["payload"]["tags"] for each in weir.trail(kind="intent") if each["payload"].get("tags")]
    return {each["name"]: each["value"] for each in tags[-1]}["said"]


@pytest.mark.parametrize("capabilities, http, line", [
    ([], ["http://127.0.0.1:1"], 'capabilities = ["random", "key-value", "metrics"]'),
    (["random", "metrics"], ["http://127.0.0.1:1"], 'capabilities = ["random", "key-value", "metrics"]'),
    (ALL, [], 'http = ["https://api.example"]'),
    # Both at once.
    ([], [], 'capabilities = ["random", "key-value", "metrics"]\n'),
    ([], [], 'http = ["https://api.example"]'),
])
def test_what_is_not_granted_is_told_with_the_line_that_would_grant_it(upstream, capabilities, http, line):
    weir = house(upstream, capabilities, http)
    weir.prepare()
    checked = weir.command("check", check=False)
    weir.stop()
    assert checked.returncode == 64 and line in checked.stderr, checked.stderr


def test_a_store_is_shared_by_sessions_and_survives_kill_9(upstream):
    with house(upstream) as weir:
        assert [do(weir, "count") for _ in range(3)] == ["1", "2", "3"]
        weir.kill()
        weir.start()
        assert do(weir, "count") == "4"
        assert do(weir, "forget") == "gone" and do(weir, "count") == "1"
        assert [do(weir, "briefly") for _ in range(2)] == ["1", "1"]
        assert (weir.state_folder / "plugins.db").stat().st_mode & 0o777 == 0o600


def test_a_store_has_its_limit(upstream):
    with house(upstream) as weir:
        assert [do(weir, "fill") for _ in range(2)] == ["key-value-limit"] * 2
        assert (weir.state_folder / "plugins.db").stat().st_size < 20 << 20


def test_numbers_of_a_plugin_are_on_the_metrics_page(upstream):
    with house(upstream) as weir:
        for _ in range(3):
            do(weir, "count")
        assert weir.metric('weir_plugin_own_total{plugin="granted",name="asked"}') == 3
        assert weir.metric('weir_plugin_own{plugin="granted",name="last_sum"}') == 3
        assert weir.metric("weir_plugin_own_total") == 3, "what is no name is dropped"


def test_random_bytes_differ(upstream):
    with house(upstream) as weir:
        dice = {do(weir, "dice") for _ in range(4)}
    assert len(dice) == 4 and all(len(each) == 32 for each in dice)


def test_requests_go_to_granted_origins_only(upstream, risk):
    with house(upstream, http=[risk], risk=risk) as weir:
        assert do(weir, "ask: /score") == "200 low"
        (asked,) = Risk.asked
        assert asked[0] == "/score" and asked[2] == b"ann" and asked[1]["x-api-key"] == "k" and asked[1]["host"] == risk[7:]
        assert do(weir, "ask: /teapot") == "418 short and stout"
        assert do(weir, "ask: /elsewhere").startswith("302"), "redirects are answers"
        assert do(weir, "ask: /large") == "http-limit"
        assert do(weir, "ask: /late") == "http-timeout"
        before = len(Risk.asked)
        for url in (risk.replace("127.0.0.1", "localhost") + "/score", risk + "0/score", risk + "@127.0.0.1:1/", "http://127.0.0.1:1/"):
            assert do(weir, f"ask: {url}") == "http-denied", url
        assert len(Risk.asked) == before


def test_whoever_waits_for_an_answer_keeps_no_other_session_waiting(upstream, risk):
    with house(upstream, http=[risk], risk=risk) as weir, Wire(weir.endpoint) as patient:
        patient.send(query("select 1 /* ask: /patient */"))
        weir.wait_for("the question", lambda: Risk.asked)
        # Its own answer comes after this one only: that is what lets it come.
        assert do(weir, "ask: /score") == "200 low"
        Risk.patience.set()
        assert errors(patient.until_ready()) == []


def test_a_session_that_is_ended_while_a_plugin_waits_forwards_nothing(upstream, risk):
    with house(upstream, http=[risk], risk=risk) as weir, Wire(weir.endpoint) as wire:
        wire.send(query("select 'forwarded' /* ask: /patient */"))
        weir.wait_for("the question", lambda: Risk.asked)
        (session,) = [each["body"]["session"] for each in weir.trail(kind="session-opened")]
        weir.command("sessions", "kill", session)
        Risk.patience.set()
        assert [each.sqlstate for each in errors(wire.until_closed())] == ["57P01"]
        assert [each for each in weir.trail(kind="intent") if "forwarded" in each["payload"]["text"]] == []
        (refused,) = weir.wait_for("its record", lambda: weir.trail(kind="refused"))
        assert "forwarded" in refused["payload"]["text"]


def test_one_call_waits_for_others_only_so_long(upstream, risk):
    with house(upstream, http=[risk], risk=risk) as weir:
        assert do(weir, "ask again and again") == "wait-limit"


def test_nobody_there_is_a_fault_and_no_end(upstream):
    with house(upstream, http=["http://127.0.0.1:1"], risk="http://127.0.0.1:1") as weir:
        assert do(weir, "ask: /score") == "http-failed"
        assert do(weir, "count") == "1"


def test_trying_a_file_reaches_nothing(upstream, risk):
    """Nothing is asked and nothing is kept before there is a session, however often the configuration is checked."""
    with house(upstream, http=[risk], risk=risk) as weir:
        weir.command("check")
        assert Risk.asked == []
        assert json.loads(weir.command("plugins", "--json").stdout)
        assert do(weir, "count") == "1"
