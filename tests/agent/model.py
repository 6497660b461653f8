"""A language model that reads from a script: it speaks OpenAI's Responses API as far as a coding agent needs it.

    with Model([shell("psql -c 'select 1'"), tool("crm", "find_customer", name="Maria")]) as model:
        …  # an agent whose provider has the base URL `model.url`
        model.told(0)   # what the agent told the model about its first call

It asks for the next call of its script whenever the agent has told how the last one went, and says so at the end. All
that it was ever sent is in `heard`, as it came: nothing of it is hidden from a real model, or from its provider.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAREWELL = "That is all."
#: how the agent says that a command still runs
RUNNING = re.compile(r"Process running with session ID (\d+)")
PATIENCE = 30000
OUTPUTS = ("function_call_output", "custom_tool_call_output")
USAGE = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None, "total_tokens": 2}


def shell(command: str) -> dict:
    """A command for the agent's shell."""
    return {"name": "exec_command", "arguments": json.dumps({"cmd": command, "yield_time_ms": PATIENCE})}


def tool(server: str, name: str, **arguments) -> dict:
    """A tool of a server of MCP that the agent knows."""
    return {"namespace": f"mcp__{server}", "name": name, "arguments": json.dumps(arguments)}


class Model:
    def __init__(self, script: list[dict]):
        self.script = script
        #: headers and body of every request, as they came
        self.heard: list[tuple[dict[str, str], bytes]] = []

    def __enter__(self) -> Model:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"model": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def requests(self) -> list[dict]:
        return [json.loads(body) for _, body in self.heard]

    def told(self, step: int) -> str:
        """What the agent told about a call of the script, as the model reads it."""
        return "\n".join(text_of(item) for item in outputs(self.requests[-1]) if step_of(item) == step)

    def tools(self) -> set[str]:
        """What the agent offered: `exec_command`, `mcp__crm/find_customer`, …"""
        offered = self.requests[0]["tools"]
        flat = {each["name"] for each in offered if each["type"] == "function"}
        return flat | {f"{space['name']}/{each['name']}" for space in offered if space["type"] == "namespace" for each in space["tools"]}

    def next_item(self, request: dict) -> dict:
        told = outputs(request)
        step = step_of(told[-1]) + 1 if told else 0
        call = self.script[step] if step < len(self.script) else None
        if told and (running := RUNNING.search(text_of(told[-1]))):
            # As a real model does: it looks again, until the command has ended.
            step -= 1
            call = {"name": "write_stdin", "arguments": json.dumps({"session_id": int(running[1]), "chars": "", "yield_time_ms": PATIENCE})}
        if call is None:
            return {"type": "message", "id": "msg", "role": "assistant", "content": [{"type": "output_text", "text": FAREWELL}]}
        return {"type": "function_call", "id": f"fc_{len(told)}", "call_id": f"call_{step}_{len(told)}"} | call


def outputs(request: dict) -> list[dict]:
    return [item for item in request["input"] if item["type"] in OUTPUTS]


def step_of(output: dict) -> int:
    """Which call of the script it is about."""
    return int(output["call_id"].split("_")[1])


def text_of(item: dict) -> str:
    output = item["output"]
    return output if isinstance(output, str) else "\n".join(part.get("text", "") for part in output)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Model

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.model.heard.append((dict(self.headers), body))
        item = self.model.next_item(json.loads(body))
        events = [{"type": "response.created", "response": {"id": "resp"}},
                  {"type": "response.output_item.done", "output_index": 0, "item": item},
                  {"type": "response.completed", "response": {"id": "resp", "usage": USAGE}}]
        stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(stream)))
        self.end_headers()
        self.wfile.write(stream)

    def log_message(self, *_) -> None:
        pass
