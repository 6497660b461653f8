#!/usr/bin/env python3
"""A small server of the Model Context Protocol: made-up customers of a shop as tools. Nothing but Python is needed.

    server.py FOLDER      writes its port to FOLDER/upstream.port when it listens; MCP is at /mcp

Streamable HTTP with sessions and answers in JSON, versions 2025-06-18 and 2025-11-25.
"""

from __future__ import annotations

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSIONS = ["2025-11-25", "2025-06-18"]
CUSTOMERS = [
    {"id": 1, "name": "Mia Novak", "email": "mia.novak@example.com", "phone": "+49 30 901820", "balance": 120.5},
    {"id": 2, "name": "Omar Haddad", "email": "omar@haddad.example", "phone": "+33 1 70 18 99 00", "balance": 0},
]


def find_customer(name: str) -> dict:
    return {"customers": [each for each in CUSTOMERS if name.lower() in each["name"].lower()]}


def refund(customer: int, amount: int) -> dict:
    found = next(each for each in CUSTOMERS if each["id"] == customer)
    found["balance"] -= amount
    return {"refunded": amount, "to": found["email"], "balance": found["balance"]}


def delete_customer(customer: int) -> dict:
    CUSTOMERS[:] = [each for each in CUSTOMERS if each["id"] != customer]
    return {"deleted": customer}


def tool(function, description: str, **arguments: str) -> dict:
    properties = {name: {"type": kind} for name, kind in arguments.items()}
    return {"name": function.__name__, "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": list(properties)}}


FUNCTIONS = {each.__name__: each for each in (find_customer, refund, delete_customer)}
TOOLS = [tool(find_customer, "Finds customers by a part of their name.", name="string"),
         tool(refund, "Pays money back to a customer.", customer="integer", amount="integer"),
         tool(delete_customer, "Deletes a customer for good.", customer="integer")]


def result_of(method: str, params: dict) -> dict:
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {"protocolVersion": asked if asked in VERSIONS else VERSIONS[0], "capabilities": {"tools": {}},
                "serverInfo": {"name": "shop", "version": "1"}}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        try:
            value = FUNCTIONS[params["name"]](**params.get("arguments", {}))
        except Exception as error:  # whatever it is, the model is told
            return {"isError": True, "content": [{"type": "text", "text": f"{type(error).__name__}: {error}"}]}
        return {"content": [{"type": "text", "text": json.dumps(value)}], "structuredContent": value}
    raise LookupError(method)


class Mcp(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/mcp":
            return self.answer(404)
        message = json.loads(body)
        if "id" not in message or "method" not in message:
            return self.answer(202)
        told = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            told["result"] = result_of(message["method"], message.get("params", {}))
        except LookupError:
            told["error"] = {"code": -32601, "message": "there is no such method"}
        session = [("Mcp-Session-Id", secrets.token_hex(16))] if message["method"] == "initialize" else []
        self.answer(200, json.dumps(told).encode(), session)

    def do_GET(self) -> None:
        """There is no stream of its own."""
        self.answer(405)

    def do_DELETE(self) -> None:
        self.answer(200)

    def answer(self, status: int, body: bytes = b"", headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for header in [("Content-Type", "application/json")] * bool(body) + (headers or []):
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Mcp) as server:
        Path(sys.argv[1], "upstream.port").write_text(f"{server.server_address[1]}\n")
        server.serve_forever()
