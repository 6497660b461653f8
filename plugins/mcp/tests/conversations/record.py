"""Records what the official Python SDK (mcp 2.3.0) says to itself over streamable HTTP, version 2026-07-28:

    pip install 'mcp>=2.3'
    python record.py > stateless.json

Each exchange is written as the inspector sees it: the request's head and body, the answer's head and body.
"""

import asyncio
import json
import socket
import sys
from typing import Annotated

import uvicorn
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult, Implementation
from pydantic import BaseModel, Field

server = MCPServer("recorded")


class Customer(BaseModel):
    name: str
    email: str


@server.tool()
def find(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], name: str
) -> list[Customer]:
    """Finds customers."""
    return [Customer(name=name, email="ann@example.com")]


@server.tool()
async def slow(ctx: Context) -> str:
    """Takes its time."""
    await ctx.report_progress(1, 2, "half of ann@example.com")
    return "done"


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no ann@example.com")


@server.tool()
async def pay(ctx: Context) -> str | InputRequiredResult:
    """Asks before it pays."""
    if not ctx.input_responses:
        params = ElicitRequestFormParams(
            message="Pay?", requested_schema={"type": "object", "properties": {"sure": {"type": "boolean"}}}
        )
        return InputRequiredResult(input_requests={"sure": ElicitRequest(params=params)})
    return "paid"


@server.resource("demo://customers")
def customers() -> str:
    return "ann@example.com"


exchanges = []


def recorded(app):
    async def record(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        exchange = {
            "method": scope["method"],
            "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
            "body": "",
            "status": 0,
            "answer_headers": [],
            "answer": "",
        }
        exchanges.append(exchange)

        async def hear():
            message = await receive()
            exchange["body"] += message.get("body", b"").decode()
            return message

        async def say(message):
            if message["type"] == "http.response.start":
                exchange["status"] = message["status"]
                exchange["answer_headers"] = [
                    (name.decode(), value.decode()) for name, value in message["headers"] if name == b"content-type"
                ]
            exchange["answer"] += message.get("body", b"").decode()
            await send(message)

        await app(scope, hear, say)
        exchange["body"] = exchange["body"] or None

    return record


async def sure(context, params):
    return ElicitResult(action="accept", content={"sure": True})


async def progress(*_):
    pass


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(recorded(server.streamable_http_app()), log_level="warning")
    serving = uvicorn.Server(config)
    task = asyncio.create_task(serving.serve(sockets=[listener]))
    while not serving.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    info = Implementation(name="recorder", version="1.0.0")
    async with Client(url, client_info=info, elicitation_callback=sure) as client:
        await client.list_tools()
        await client.call_tool("find", {"region": "Süd", "name": "Ann"})
        await client.call_tool("slow", {}, progress_callback=progress)
        await client.call_tool("fail", {})
        print((await client.call_tool("pay", {})).content, file=sys.stderr)
        await client.list_resources()
        await client.read_resource("demo://customers")
        try:
            await client.read_resource("demo://nobody")
        except Exception as error:
            print(error, file=sys.stderr)
    serving.should_exit = True
    await task
    for exchange in exchanges:
        exchange["headers"] = [
            header for header in exchange["headers"] if header[0].startswith(("mcp", "accept", "content-type", "user"))
        ]
    json.dump(exchanges, sys.stdout, indent=1, ensure_ascii=False)


asyncio.run(main())
