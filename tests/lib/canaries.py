"""Values of the sample database that occur in it exactly once: find one where it should not be, and something leaked."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Canary:
    table: str
    column: str
    value: str


def load() -> list[Canary]:
    with Path(__file__).with_name("canaries.tsv").open(newline="", encoding="utf-8") as file:
        return [Canary(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def found_in(haystack: bytes) -> list[Canary]:
    return [canary for canary in load() if canary.value.encode() in haystack]
