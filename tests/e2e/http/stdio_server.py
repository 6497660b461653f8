"""A server of MCP on its standard input and output, with tools that show how it lives and make it misbehave."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("stdio tools")
#: the SDK puts something else in its place
OUTPUT = os.dup(1)
EMAIL = "maria.lopez@leak.example"


class Customer(BaseModel):
    name: str
    email: str


class Pin(BaseModel):
    pin: str


class Life(BaseModel):
    pid: int
    group: int
    folder: str
    variables: list[str]
    secret: str


@server.tool()
def find(name: str) -> list[Customer]:
    """Finds customers."""
    return [Customer(name=name, email=EMAIL)]


@server.tool()
def delete_customer(name: str) -> str:
    """Deletes a customer."""
    return "gone"


@server.tool()
def life() -> Life:
    """What it has got."""
    return Life(pid=os.getpid(), group=os.getpgrp(), folder=os.getcwd(), variables=sorted(os.environ), secret=os.environ.get("API_KEY", ""))


@server.tool()
def breed() -> int:
    """Starts a child that hears nothing of the end of the server, and says its number."""
    return subprocess.Popen(["sh", "-c", "trap '' TERM HUP; sleep 1000; true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid


@server.tool()
async def ask(ctx: Context) -> str:
    """Asks the person, and says what came of it."""
    try:
        await ctx.elicit("Your PIN?", Pin)
    except MCPError as error:
        return f"no answer: {error.error.message}"
    return "thanks"


@server.tool()
def hog() -> int:
    """Takes more memory than it should."""
    return len(bytearray(400 << 20))


@server.tool()
def garbage() -> str:
    """Says something besides."""
    os.write(OUTPUT, b"Loading model...\n\xff\xfe\n[1, 2]\n{\"jsonrpc\": \"2.0\", \"id\": 99999, \"result\": {}}\n")
    return "clean"


@server.tool()
async def never() -> str:
    """Does not answer."""
    await asyncio.Event().wait()
    return "never"


@server.tool()
async def count(ctx: Context) -> str:
    """Counts to two."""
    for step in (1, 2):
        await ctx.report_progress(step, 2, f"{step} of {EMAIL}")
    return "two"


@server.tool()
async def echo(text: str) -> str:
    """Says it again, after others had their turn."""
    await asyncio.sleep(0.01)
    return text


if __name__ == "__main__":
    print("up and running", file=sys.stderr, flush=True)
    server.run("stdio")
