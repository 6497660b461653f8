"""A server of MCP with the official SDK: customers that can be found, refunded and deleted."""

from __future__ import annotations

import socket
import threading

import uvicorn
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

NAME, EMAIL = "Canary Woodpecker", "canary.woodpecker@leak.example"


class Customer(BaseModel):
    id: int
    name: str
    email: str
    balance: int


class Crm:
    """Runs in a thread of its own, and remembers what was called."""

    def __init__(self):
        self.called: list[tuple] = []
        self.server = MCPServer("crm")
        for each in (self.find_customer, self.refund, self.delete_customer):
            self.server.add_tool(each)

    def find_customer(self, id: int) -> Customer:
        """Finds a customer."""
        self.called.append(("find_customer", id))
        return Customer(id=id, name=NAME, email=EMAIL, balance=4711)

    def refund(self, id: int, amount: int) -> str:
        """Pays money back to a customer."""
        self.called.append(("refund", id, amount))
        return f"paid {amount} back to {EMAIL}"

    def delete_customer(self, id: int) -> str:
        """Deletes a customer."""
        self.called.append(("delete_customer", id))
        return "gone"

    def __enter__(self) -> Crm:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.uvicorn = uvicorn.Server(uvicorn.Config(self.server.streamable_http_app(), log_level="error"))
        self.thread = threading.Thread(target=self.uvicorn.run, args=([listener],), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.uvicorn.should_exit = True
        self.thread.join(20)
