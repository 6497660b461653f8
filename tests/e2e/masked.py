"""What the tests of masking start with: the standard pipeline, a spy behind it, and all that is kept."""

from __future__ import annotations

import json

import leaks
import pytest
from conftest import GUARD, MASK, STANDARD
from recorder import Recorder
from weir import Weir

CANARY = "where id = 9001"
CUSTOMER = f"from customers c {CANARY}"
EMPLOYEE = f"from employees e {CANARY}"


@pytest.fixture(scope="module")
def weir(upstream):
    """One gateway for everything here, so that the last test finds all of it in one trail."""
    with Weir(upstream, pipeline=STANDARD, default="deny",
              plugins={"sql-guard": {"settings": GUARD | {"deny": ["schema-change"]}}, "pii-mask": {"settings": MASK}}) as running:
        yield running


@pytest.fixture
def spy(weir):
    with Recorder(weir.endpoint) as recorder:
        yield recorder
        assert leaks.found_in(recorder.received) == []


@pytest.fixture
def kept(weir):
    """What this test has added to the trail; protected values must not be in it."""
    before = len(weir.trail())
    added: list[bytes] = []
    yield lambda: added
    records = weir.trail()[before:]
    assert records != []
    assert [(leaks.found_in(line), line) for line in (json.dumps(record, ensure_ascii=False).encode() for record in records)
            if leaks.found_in(line)] == []


@pytest.fixture
def apart(upstream):
    """A gateway whose trail nobody else looks at."""
    with Weir(upstream, pipeline=STANDARD, default="deny",
              plugins={"sql-guard": {"settings": GUARD}, "pii-mask": {"settings": MASK}}) as running:
        yield running


def everything_kept(weir: Weir) -> bytes:
    """Every file of the state folder but compiled plugins, the log, and what the trail exports."""
    files = [file for file in weir.state_folder.rglob("*") if file.is_file() and file.parent.name != "compiled"]
    assert {"audit.db"} <= {file.name for file in files}
    exported = weir.command("audit", "export").stdout.encode()
    return b"\n".join([file.read_bytes() for file in files] + [weir.log.read_bytes(), exported])
