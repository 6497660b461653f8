#!/usr/bin/env python3
"""The API of a small shop: made-up customers, refunds, and one key for whoever calls it. Nothing but Python is needed.

    api.py FOLDER      writes its port to FOLDER/upstream.port when it listens; the key is in $SHOP_KEY
"""

from __future__ import annotations

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CUSTOMERS = {
    1: {"id": 1, "name": "Mia Novak", "email": "mia.novak@example.com", "phone": "+49 30 901820", "card": "4111111111111111", "balance": 120.50},
    2: {"id": 2, "name": "Omar Haddad", "email": "omar@haddad.example", "phone": "+33 1 70 18 99 00", "card": "5555555555554444", "balance": 0.00},
    3: {"id": 3, "name": "Wei Zhang", "email": "wei.zhang@example.org", "phone": "+1 202-555-0143", "card": "378282246310005", "balance": 42.00},
}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("X-Api-Key") != os.environ["SHOP_KEY"]:
            return self.answer(401, {"error": "the key is wrong"})
        if self.path == "/v1/customers":
            return self.answer(200, {"customers": list(CUSTOMERS.values())})
        found = re.fullmatch(r"/v1/customers/([0-9]+)(/refunds)?", self.path)
        customer = CUSTOMERS.get(int(found[1])) if found else None
        if customer is None:
            return self.answer(404, {"error": "there is nothing"})
        if self.command == "POST" and found[2]:
            amount = json.loads(body)["amount"]
            customer["balance"] -= amount
            return self.answer(201, {"refunded": amount, "to": customer["email"]})
        if self.command == "DELETE" and not found[2]:
            del CUSTOMERS[customer["id"]]
            return self.answer(200, {"deleted": customer["id"]})
        return self.answer(200 if self.command == "GET" else 405, customer)

    do_POST = do_DELETE = do_GET

    def answer(self, status: int, value: dict) -> None:
        body = json.dumps(value, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        Path(sys.argv[1], "upstream.port").write_text(f"{server.server_address[1]}\n")
        server.serve_forever()
