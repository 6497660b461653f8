"""A server of MCP on standard input and output behind the gateway: offered over HTTP, and ended with its session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult
from weir import ROOT, Weir, http

HERE = Path(__file__).resolve().parent
NODE_MODULES = ROOT / "tests/.cache/node/node_modules"
EVERYTHING = ["node", str(NODE_MODULES / "@modelcontextprotocol/server-everything/dist/index.js"), "stdio"]
EMAIL = "maria.lopez@leak.example"
MODES = ["legacy", "auto"]
GUARD = {"protect": [{"kinds": ["mcp.tool-call"], "objects": ["delete_*"], "answer": "deny", "reason": "nothing is deleted here"},
                     {"kinds": ["mcp.elicitation"], "objects": ["**"], "actions": ["call"], "answer": "deny", "reason": "servers ask nothing"}]}
BOTH = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INITIALIZE = {"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": {
    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}


@pytest.fixture
def weir():
    program = {"command": [sys.executable, str(HERE / "stdio_server.py")], "env": {"LEVEL": "info", "API_KEY": {"env": "API_KEY"}}}
    pipeline = ["mcp", "change-guard", "pii-mask"]
    resources = [http("tools", program, path_prefix="/tools", pipeline=pipeline),
                 http("everything", {"command": EVERYTHING}, path_prefix="/everything", pipeline=["mcp"]),
                 http("small", program, path_prefix="/small", pipeline=["mcp"], limits={"max_answer_bytes": "64KiB"}),
                 http("tight", program | {"memory": "256MiB"}, path_prefix="/tight", pipeline=["mcp"]),
                 http("absent", {"command": ["/no/such/program"]}, path_prefix="/absent", pipeline=["mcp"])]
    plugins = {"change-guard": {"settings": GUARD}, "pii-mask": {"settings": {"columns": ["mcp:find.name"], "detect": ["email"]}}}
    with Weir(resources=resources, plugins=plugins, variables={"API_KEY": "key of the program", "GATEWAY_KEY": "gateway's own"}) as running:
        yield running


def through(weir: Weir, talk, resource: str = "tools", mode: str = "legacy", **more):
    """Runs `talk(client)` with the official client."""
    async def run():
        headers = {"authorization": weir.basic("ann")}
        async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=60)) as http_client:
            transport = streamable_http_client(weir.url(resource), http_client=http_client)
            async with Client(transport, mode=mode, **more) as client:
                # As every host of tools does first.
                await client.list_tools()
                return await talk(client)

    return asyncio.run(asyncio.wait_for(run(), 90))


def call(weir: Weir, tool: str, arguments: dict | None = None, mode: str = "legacy", **more):
    return through(weir, lambda client: client.call_tool(tool, arguments or {}, **more), mode=mode)


class Raw:
    """A session of MCP by hand."""

    def __init__(self, weir: Weir, resource: str = "tools", initialize: dict = INITIALIZE, user: str = "ann"):
        self.http = httpx.Client(base_url=weir.url(resource), headers=BOTH | {"authorization": weir.basic(user)}, timeout=30)
        self.began = self.post(initialize)
        self.http.headers["mcp-session-id"] = self.session = self.began.headers.get("mcp-session-id", "")
        self.http.headers["mcp-protocol-version"] = "2025-06-18"
        if self.session:
            # As every host of tools does first.
            self.post({"jsonrpc": "2.0", "id": "tools", "method": "tools/list"})

    def post(self, message: dict, **headers) -> httpx.Response:
        return self.http.post("", json=message, headers=headers)

    def call(self, tool: str, number: object = 1, **headers) -> httpx.Response:
        return self.post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": {}}}, **headers)

    def life(self) -> dict:
        return self.call("life", accept="application/json").json()["result"]["structuredContent"]


def lives(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def gone(weir: Weir, *pids: int) -> None:
    weir.wait_for(f"the end of {pids}", lambda: not any(map(lives, pids)))


# --- called, masked, refused


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_is_called_masked_refused_and_tells_its_progress(weir, mode):
    heard = []

    async def progress(done, total, message):
        heard.append((done, message))

    async def talk(client):
        return (await client.call_tool("find", {"name": "Maria"}), await client.call_tool("delete_customer", {"name": "Maria"}),
                await client.call_tool("count", {}, progress_callback=progress))

    found, deleted, counted = through(weir, talk, mode=mode)
    shown = found.model_dump_json()
    assert not found.is_error and found.structured_content["result"][0]["email"] and EMAIL not in shown and "Maria" not in shown
    assert deleted.is_error and "nothing is deleted here" in deleted.model_dump_json()
    assert counted.content[0].text == "two" and [done for done, _ in heard] == [1, 2] and EMAIL not in str(heard)


@pytest.mark.parametrize("mode", MODES)
def test_answers_find_their_requests_when_many_clients_ask_at_once_with_the_same_ids(weir, mode):
    async def run():
        async def one(name):
            async with httpx2.AsyncClient(headers={"authorization": weir.basic("ann")}, timeout=60) as http_client:
                async with Client(streamable_http_client(weir.url("tools"), http_client=http_client), mode=mode) as client:
                    await client.list_tools()
                    texts = [f"{name}-{number}" for number in range(10)]
                    results = await asyncio.gather(*(client.call_tool("echo", {"text": text}) for text in texts))
                    return [result.content[0].text for result in results] == texts

        return await asyncio.gather(*(one(name) for name in "abc"))

    assert asyncio.run(asyncio.wait_for(run(), 90)) == [True] * 3


def test_the_answers_of_server_everything_are_those_it_gives_directly(weir):
    async def talk(client):
        tools = (await client.list_tools()).model_dump(mode="json")
        resources = (await client.list_resources()).model_dump(mode="json")
        prompts = (await client.list_prompts()).model_dump(mode="json")
        called = [(await client.call_tool(name, arguments)).model_dump(mode="json") for name, arguments in [
            ("echo", {"message": "häh\u2028\n"}), ("get-sum", {"a": 1, "b": 2.5}), ("get-tiny-image", {}),
            ("get-structured-content", {"location": "New York"}), ("get-annotated-message", {"messageType": "error"})]]
        return tools, resources, prompts, called

    async def direct():
        parameters = StdioServerParameters(command=EVERYTHING[0], args=EVERYTHING[1:])
        async with Client(stdio_client(parameters), mode="legacy") as client:
            return await talk(client)

    expected = asyncio.run(asyncio.wait_for(direct(), 60))
    assert len(expected[0]["tools"]) > 5 and expected[3][1]["content"]
    assert through(weir, talk, "everything") == expected


def test_the_official_client_in_typescript_is_served_and_asked(weir):
    done = subprocess.run(["node", str(HERE / "stdio_client.cjs"), weir.url("everything"), weir.basic("ann")], capture_output=True,
                          text=True, timeout=90, env=os.environ | {"NODE_PATH": str(NODE_MODULES)})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["echo"] == "Echo: hello" and said["steps"] == [1, 2, 3]
    # The server asks while the call runs; the client's answer is in the result.
    assert said["asked"] == ["Sing"] and "la la" in said["sampled"]


def test_a_batch_has_one_answer_in_the_form_that_is_accepted(weir):
    raw = Raw(weir)
    raw.http.headers["mcp-protocol-version"] = "2025-03-26"
    batch = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": str(number)}}}
             for number in ("a", 2)] + [{"jsonrpc": "2.0", "method": "notifications/initialized"}]
    answers = raw.http.post("", json=batch, headers={"accept": "application/json"}).json()
    assert {answer["id"]: answer["result"]["content"][0]["text"] for answer in answers} == {"a": "a", 2: "2"}
    events = raw.http.post("", json=batch).text
    assert {json.loads(line[6:])["id"] for line in events.splitlines() if line.startswith("data: ")} == {"a", 2}


def test_what_belongs_to_no_request_waits_for_the_stream_of_its_client(weir):
    capable = INITIALIZE["params"] | {"capabilities": {"roots": {"listChanged": True}}}
    raw = Raw(weir, "everything", INITIALIZE | {"params": capable})
    assert raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status_code == 202
    asked, number = {}, 0
    with raw.http.stream("GET", "") as stream:
        for line in stream.iter_lines():
            number = int(line[4:]) if line.startswith("id: ") else number
            if line.startswith("data: ") and "roots/list" in line and "method" in (asked := json.loads(line[6:])):
                break
    assert asked["method"] == "roots/list"
    # The stream breaks, and goes on behind the message before.
    with raw.http.stream("GET", "", headers={"last-event-id": str(number - 1)}) as stream:
        again = [line for line, _ in zip(stream.iter_lines(), range(3))]
    assert again[0] == f"id: {number}" and json.loads(again[2][6:]) == asked
    assert raw.post({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}).status_code == 202


def test_a_program_that_may_not_ask_is_told_so_in_the_clients_place(weir):
    asked = []

    async def answer(context, params):
        asked.append(params.message)
        return ElicitResult(action="accept", content={"pin": "1234"})

    result = through(weir, lambda client: client.call_tool("ask", {}), elicitation_callback=answer)
    assert "no answer: refused by policy" in result.content[0].text and "servers ask nothing" in result.content[0].text
    assert asked == []
    told = [each for each in weir.trail(kind="intent") if {"name": "sent-by", "value": "gateway"} in each["payload"].get("attributes", [])]
    assert [each["payload"]["text"] for each in told] == ["elicitation/create"]


# --- how it lives


def test_a_session_is_only_used_by_whom_it_was_given_to(weir):
    one, other = Raw(weir), Raw(weir, user="ann-agent")
    assert one.life()["pid"] != other.life()["pid"]
    assert one.call("life", authorization=weir.basic("ann-agent")).status_code == 404
    assert one.http.delete("", headers={"authorization": weir.basic("ann-agent")}).status_code == 404
    assert lives(one.life()["pid"])


def test_what_a_program_may_have_of_memory_is_limited(weir):
    raw = Raw(weir, "tight")
    pid = raw.life()["pid"]
    limits = {line[:26].strip(): line[26:].split() for line in Path(f"/proc/{pid}/limits").read_text().splitlines()}
    assert limits["Max data size"][:2] == [str(256 << 20)] * 2
    answer = raw.call("hog", accept="application/json").json()
    assert answer["result"]["isError"], answer
    assert raw.life()["pid"] == pid
    assert not Raw(weir).call("hog", accept="application/json").json()["result"].get("isError")


def test_the_program_has_little_of_the_gateways_environment(weir):
    raw = Raw(weir)
    life = raw.life()
    names = set(life["variables"]) - {"LC_CTYPE"}  # Python's own
    assert names - {"LANG"} == {"PATH", "HOME", "LEVEL", "API_KEY"}
    assert life["secret"] == "key of the program" and life["group"] == life["pid"]
    assert life["folder"] == str(weir.state_folder / "programs/tools")
    environ = Path(f"/proc/{life['pid']}/environ").read_bytes()
    assert b"GATEWAY_KEY" not in environ and b"UPSTREAM_PASSWORD" not in environ
    limits = {line[:26].strip(): line[26:].split() for line in Path(f"/proc/{life['pid']}/limits").read_text().splitlines()}
    assert limits["Max core file size"][:2] == ["0", "0"] and int(limits["Max open files"][1]) <= 4096
    assert "up and running" in weir.log.read_text()


def test_each_session_of_mcp_has_a_program_and_its_end_takes_all_of_it(weir):
    one, two = Raw(weir), Raw(weir)
    assert len(one.session) == 32 and one.session != two.session
    first, second = one.life()["pid"], two.life()["pid"]
    child = int(one.call("breed", accept="application/json").json()["result"]["content"][0]["text"])
    assert first != second and lives(first) and lives(second) and lives(child)
    assert one.http.delete("").status_code == 204
    gone(weir, first, child)
    assert one.call("life").status_code == 404 and two.life()["pid"] == second
    # The session of weir ends, and takes the other one.
    child = int(two.call("breed", accept="application/json").json()["result"]["content"][0]["text"])
    (session,) = json.loads(weir.command("sessions", "list", "--json").stdout)
    weir.command("sessions", "kill", session["id"])
    gone(weir, second, child)


def test_nothing_is_left_when_the_gateway_stops(weir):
    raw = Raw(weir)
    pids = raw.life()["pid"], int(raw.call("breed", accept="application/json").json()["result"]["content"][0]["text"])
    weir.stop_process()
    assert not any(map(lives, pids))


# --- how it fails


def test_a_killed_program_answers_what_was_asked_and_the_next_initialize_begins_anew(weir):
    raw = Raw(weir)
    pid = raw.life()["pid"]
    with raw.http.stream("POST", "", json={"jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": {"name": "never"}}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        os.kill(pid, signal.SIGKILL)
        (data,) = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert data["id"] == "x" and data["error"]["code"] == -32603 and "ended" in data["error"]["message"]
    refused = raw.call("life")
    assert refused.status_code == 404 and refused.json()["error"]["code"] == -32001
    again = Raw(weir)
    assert lives(again.life()["pid"])


@pytest.mark.parametrize("mode", MODES)
def test_garbage_on_its_output_is_passed_over(weir, mode):
    assert call(weir, "garbage", mode=mode).content[0].text == "clean"
    assert "no message" in weir.log.read_text() and "Loading model" not in weir.log.read_text()


def test_a_call_that_is_never_answered_keeps_nobody_waiting(weir):
    raw = Raw(weir)
    with raw.http.stream("POST", "", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "never"}}):
        assert lives(raw.life()["pid"])
    assert lives(raw.life()["pid"])


def test_a_line_that_is_too_long_ends_the_program(weir):
    raw = Raw(weir, "small")
    pid = raw.life()["pid"]
    long = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "x" * 70_000}}}
    answer = raw.post(long, accept="application/json").json()
    assert answer["id"] == 7 and "longer than 65536 bytes" in answer["error"]["message"]
    gone(weir, pid)


def test_a_program_that_does_not_start_is_an_error_and_not_a_silence(weir):
    raw = Raw(weir, "absent")
    assert "mcp-session-id" not in raw.began.headers
    assert "could not be started" in raw.began.text, raw.began.text


def test_sessions_are_demanded_and_messages_without_answers_are_accepted(weir):
    raw = Raw(weir)
    assert raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status_code == 202
    assert raw.call("life", **{"mcp-session-id": "0" * 32}).status_code == 404
    del raw.http.headers["mcp-session-id"]
    assert raw.call("life").status_code == 400
