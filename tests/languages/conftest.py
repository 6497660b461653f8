"""A PostgreSQL with the sample data, and the languages that are tested: those whose examples tests/languages/build made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "target/languages"
#: folders of sdk/; each must be there
LANGUAGES = ("rust", "c", "js", "python", "go")


@pytest.fixture(scope="session")
def upstream():
    with Postgres() as running:
        yield running.create_database("customers", sample=True)


@pytest.fixture(params=LANGUAGES)
def language(request) -> str:
    return request.param
