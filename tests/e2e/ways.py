"""Every way in which a client can ask one query, byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable

from wire import SYNC, Message, Wire, close, cstr, describe, execute, message, parse, query

TEXT, BINARY = 0, 1


def bind(format: int, statement: str = "", portal: str = "", *values: bytes | None) -> bytes:
    """Binds with one format for everything, parameters and results."""
    body = cstr(portal) + cstr(statement) + struct.pack("!HHH", 1, format, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message("B", body + struct.pack("!HH", 1, format))


def simple(wire: Wire, sql: str) -> list[Message]:
    return wire.ask(query(sql))


def extended(format: int) -> Callable[[Wire, str], list[Message]]:
    def ask(wire: Wire, sql: str) -> list[Message]:
        return wire.ask(parse(sql), bind(format), describe(), execute(), SYNC)
    return ask


def again(wire: Wire, sql: str) -> list[Message]:
    """Prepared and described once, executed in both formats and a few rows at a time, without another description."""
    said = wire.ask(parse(sql, "again"), describe("again", "S"), bind(TEXT, "again"), execute(), SYNC)
    for format in (BINARY, TEXT):
        said += wire.ask(bind(format, "again"), execute(), SYNC)
        said += wire.ask(bind(format, "again", "few"), execute("few", 1), execute("few", 1), execute("few"), SYNC)
    return said + wire.ask(close("again"), SYNC)


def undescribed(wire: Wire, sql: str) -> list[Message]:
    """Nobody ever asks what the rows look like."""
    said = wire.ask(parse(sql, "blind"), SYNC)
    for format in (TEXT, BINARY, BINARY):
        said += wire.ask(bind(format, "blind"), execute(), SYNC)
    return said + wire.ask(close("blind"), SYNC)


def pipelined(wire: Wire, sql: str) -> list[Message]:
    """Twice before one Sync, with a failure behind them."""
    return wire.ask(parse(sql), bind(BINARY), execute(), bind(TEXT), execute(), parse("select 1 / 0"), bind(TEXT), execute(), SYNC)


def copy(options: str) -> Callable[[Wire, str], list[Message]]:
    def ask(wire: Wire, sql: str) -> list[Message]:
        return wire.ask(query(f"copy ({sql}) to stdout {options}"))
    return ask


def cursor(wire: Wire, sql: str) -> list[Message]:
    said = wire.ask(query("begin")) + wire.ask(query(f"declare reader cursor for {sql}"))
    said += wire.ask(query("fetch 1 from reader")) + wire.ask(query("fetch all from reader"))
    return said + wire.ask(query("rollback"))


def binary_cursor(wire: Wire, sql: str) -> list[Message]:
    said = wire.ask(query("begin")) + wire.ask(query(f"declare reader binary cursor for {sql}"))
    said += wire.ask(query("fetch all from reader"))
    return said + wire.ask(query("rollback"))


def in_sql(wire: Wire, sql: str) -> list[Message]:
    """PREPARE and EXECUTE as statements."""
    said = wire.ask(query(f"prepare asked as {sql}"))
    said += wire.ask(query("execute asked")) + extended(BINARY)(wire, "execute asked")
    return said + wire.ask(query("deallocate all"))


def several(wire: Wire, sql: str) -> list[Message]:
    """Among other statements of one simple query."""
    return wire.ask(query(f"select 1; {sql}; select 'two', 2; {sql}"))


WAYS: dict[str, Callable[[Wire, str], list[Message]]] = {
    "simple": simple, "text": extended(TEXT), "binary": extended(BINARY), "again": again, "undescribed": undescribed,
    "pipelined": pipelined, "several": several, "cursor": cursor, "binary cursor": binary_cursor, "in SQL": in_sql,
    "copy": copy(""), "copy csv": copy("with (format csv, header, force_quote *)"), "copy binary": copy("with (format binary)"),
}
