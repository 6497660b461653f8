#!/usr/bin/env python3
"""What an agent does with its settings, by hand: lists the tools of the one MCP server in them, or calls one.

    client.py SETTINGS                      list the tools
    client.py SETTINGS TOOL [ARGUMENTS]     call one; arguments are JSON. Exit code 1 when the tool says it failed

SETTINGS is a file in the form of Cursor's `mcp.json`, of Claude Code's `.mcp.json` or of Codex's `config.toml`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import urllib.request
from pathlib import Path


def settings_of(file: Path) -> tuple[str, dict[str, str]]:
    """URL and headers, with variables of the environment put in as the agent that the file is for would."""
    if file.suffix == ".toml":
        (server,) = tomllib.loads(file.read_text())["mcp_servers"].values()
        return server["url"], {"Authorization": f"Bearer {os.environ[server['bearer_token_env_var']]}"}
    (server,) = json.loads(file.read_text())["mcpServers"].values()
    # Cursor writes ${env:NAME}, Claude Code ${NAME}.
    filled = {name: re.sub(r"\$\{(?:env:)?(\w+)\}", lambda found: os.environ[found[1]], value)
              for name, value in server["headers"].items()}
    return server["url"], filled


class Client:
    def __init__(self, url: str, headers: dict[str, str]):
        self.url, self.asked = url, 0
        self.headers = headers | {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "weir-example", "version": "1"}}
        self.headers["MCP-Protocol-Version"] = self.ask("initialize", hello)["protocolVersion"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).close()

    def post(self, message: dict):
        answer = urllib.request.urlopen(urllib.request.Request(self.url, json.dumps(message).encode(), self.headers))
        if session := answer.headers.get("Mcp-Session-Id"):
            self.headers["Mcp-Session-Id"] = session
        return answer

    def ask(self, method: str, params: dict) -> dict:
        self.asked += 1
        request = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}
        with self.post(request) as answer:
            events = answer.headers.get_content_type() == "text/event-stream"
            for line in answer if events else [b"data: " + answer.read()]:
                if line.startswith(b"data:") and (message := self.heard(line[5:])) is not None:
                    return message
        raise SystemExit("client: the server has not answered")

    def heard(self, data: bytes) -> dict | None:
        message = json.loads(data)
        if message.get("method") == "notifications/progress":
            print(f"progress: {message['params'].get('message', '')}", flush=True)
        if message.get("id") != self.asked:
            return None
        if "error" in message:
            raise SystemExit(f"client: {message['error']['message']}")
        return message["result"]


def main(settings: str, tool: str | None = None, arguments: str = "{}") -> int:
    client = Client(*settings_of(Path(settings)))
    # As every host of tools does: a tool that its caller was never shown is not called.
    offered = client.ask("tools/list", {})["tools"]
    if tool is None:
        for each in offered:
            print(f"{each['name']:<16} {each['description']}")
        return 0
    # With a token for progress, as agents send one: a call that waits for a person tells so.
    result = client.ask("tools/call", {"name": tool, "arguments": json.loads(arguments), "_meta": {"progressToken": "1"}})
    for content in result["content"]:
        print(content.get("text", f"({content['type']})"))
    return 1 if result.get("isError") else 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
