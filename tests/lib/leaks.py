"""Finds values in bytes in whatever form they may have got there."""

from __future__ import annotations

import base64
import contextlib
import functools
import ipaddress
import struct
from decimal import Decimal

import canaries

#: What the settings of these tests protect; the other canaries may be seen.
MASKED = {("customers", "full_name"), ("customers", "email"), ("customers", "phone"), ("customers", "card_number"),
          ("customers", "iban"), ("customers", "ssn"), ("customers", "ip"), ("customers", "notes"), ("api_keys", "secret"),
          ("employees", "email"), ("employees", "salary")}


def masked() -> list[canaries.Canary]:
    return [each for each in canaries.load() if (each.table, each.column) in MASKED]


def found_in(haystack: bytes) -> list[str]:
    """Which protected values the bytes hold, and in which form."""
    lower = haystack.lower()
    return [f"{canary.table}.{canary.column} as {form}" for canary in masked()
            for form, needle, caseless in forms(canary.value) if needle in (lower if caseless else haystack)]


@functools.cache
def forms(value: str) -> list[tuple[str, bytes, bool]]:
    """Name, bytes, whether case does not matter."""
    raw = value.encode()
    found = [("text", raw.lower(), True), ("reversed text", raw[::-1].lower(), True), ("hex", raw.hex().encode(), True),
             ("UTF-16", value.lower().encode("utf-16-le"), True), ("UTF-16 (big)", value.lower().encode("utf-16-be"), True)]
    for shift in range(3):  # what stands before decides how the value falls into groups of three
        digits = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = digits[(0, 2, 3)[shift]:len(digits) - (1 if (shift + len(raw)) % 3 else 0)]
        found.append(("base64", inner.encode(), False))
    found += [(name, needle, False) for name, needle in _binary(value)]
    if (digits := "".join(each for each in value if each.isdigit())) and len(digits) >= 9 and len(digits) * 2 > len(value) \
            and value.count(".") == 0:
        found.append(("digits alone", digits.encode(), False))
        found += [(name, needle, False) for name, needle in _binary(digits)]
    return found


def _binary(value: str) -> list[tuple[str, bytes]]:
    found = []
    with contextlib.suppress(ValueError):
        found.append(("inet", ipaddress.ip_address(value).packed))
    with contextlib.suppress(ArithmeticError, ValueError):
        number = Decimal(value)
        found.append(("float8", struct.pack("!d", float(number))))
        found.append(("numeric", _numeric(number)))
        if number == number.to_integral_value():
            found += [("int8", struct.pack("!q", int(number)))] if 2**31 < number < 2**63 else []
        else:
            found.append(("text", str(number.normalize()).encode()))
    return found


def _numeric(number: Decimal) -> bytes:
    """Groups of four decimal digits, as PostgreSQL sends them."""
    whole, _, part = format(abs(number), "f").partition(".")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    part = part.ljust(-(-len(part) // 4) * 4, "0")
    groups = [int((whole + part)[at:at + 4]) for at in range(0, len(whole + part), 4)]
    while groups and groups[-1] == 0:
        groups.pop()
    return b"".join(struct.pack("!h", group) for group in groups)
