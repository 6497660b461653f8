"""The files that works of HTTP ask for: made up, the same in every run."""

from __future__ import annotations

import json
from pathlib import Path

from data import UNMASKED

SMALL_BYTES = 1024
BIG_BYTES = 10_000_000
#: 1 KB in which nothing is personal, and 1 KB with five addresses of e-mail
SMALL, PERSONAL = "small.json", "personal.json"
#: 10 MB that nobody looks into, and 10 MB of JSON, of which every text is looked at
BIG, BIG_JSON = "big.bin", "big.json"


def create(folder: Path) -> None:
    order = {"id": 7, "note": "order shipped to the warehouse", "variant": "blue, size medium", "done": True, "amount": 14.5}
    (folder / SMALL).write_bytes(_filled([order | {"id": number} for number in range(7)], SMALL_BYTES))
    people = [{"id": number, "email": f"customer.{number}{UNMASKED.decode()}", "note": "paid by invoice, no open amounts",
               "variant": "blue, size medium", "done": True} for number in range(5)]
    (folder / PERSONAL).write_bytes(_filled(people, SMALL_BYTES))
    (folder / BIG).write_bytes(bytes(range(256)) * (BIG_BYTES // 256))
    one = json.dumps(order).encode() + b","
    (folder / BIG_JSON).write_bytes(b"[" + one * (BIG_BYTES // len(one)) + b"0]")


def _filled(rows: list[dict], size: int) -> bytes:
    """As JSON of exactly so many bytes."""
    text = json.dumps({"rows": rows, "filling": ""}).encode()
    if len(text) > size:
        raise ValueError(f"{len(text)} bytes do not fit into {size}")
    return text[:-2] + b"." * (size - len(text)) + text[-2:]
