"""What a plugin finds behind the imports that its language brings: nothing, and time when it was granted."""

from __future__ import annotations

import os
import subprocess

import pytest
from conftest import ROOT
from weir import Weir

YEAR_2023 = 1_672_531_200


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    out = tmp_path_factory.mktemp("probe") / "probe.wasm"
    environment = {"WEIR_SDK_CACHE": str(ROOT / "tests/.cache/sdk")} | os.environ
    subprocess.run([ROOT / "sdk/python/build", ROOT / "tests/languages/probe", out], check=True, env=environment)
    return out


@pytest.fixture
def gateway(upstream, probe):
    started = []

    def make(**plugin) -> Weir:
        started.append(Weir(upstream, pipeline=("postgres", "probe"), files={"probe": probe}, plugins={"probe": plugin},
                            variables={"WEIR_TEST_SECRET": "of the gateway"}))
        return started[-1].__enter__()

    yield make
    for weir in started:
        weir.stop()


def ask(weir: Weir, command: str) -> subprocess.CompletedProcess:
    return subprocess.run(["psql", "-X", "-At", "-c", command], env=weir.endpoint.environment(), capture_output=True, text=True)


def found(weir: Weir, mark: str) -> dict[str, str]:
    """What the probe says in a session of its own."""
    assert ask(weir, f"select '{mark}'").stdout.strip() == mark
    (record,) = [each for each in weir.trail(kind="intent") if mark in str(each)]
    return tags_of(record)


def tags_of(record) -> dict[str, str]:
    """Wherever the record keeps them: pairs of name and value."""
    if isinstance(record, dict):
        if set(record) >= {"name", "value"}:
            return {record["name"]: record["value"]}
        record = list(record.values())
    tags: dict[str, str] = {}
    for each in record if isinstance(record, list) else ():
        tags |= tags_of(each)
    return tags


def test_there_is_nothing_behind_and_every_session_draws_the_same(gateway):
    weir = gateway()
    first, second = found(weir, "first"), found(weir, "second")
    assert first["variables"] == "{}"
    refused = ("FileNotFoundError", "NotADirectoryError", "OSError", "PermissionError", "gaierror")
    for name in ("folder", "read", "write", "connect", "resolve"):
        assert first[name] in refused, (name, first[name])
    assert (first["input"], first["wall"], first["monotonic"]) == ("", "0", "0.0")
    assert len(first["chance"]) > 16 and first == second
    # What is printed may hold values: it is for whoever asks for debug lines.
    assert "a value that somebody printed" not in weir.log.read_text()


def test_the_clock_goes_when_it_is_granted(gateway):
    weir = gateway(capabilities=["clock"])
    assert int(found(weir, "when")["wall"]) > YEAR_2023


def test_an_exception_refuses_and_is_told_by_kind_and_place(gateway):
    weir = gateway()
    assert "HINT:  weir: plugin-fault" in ask(weir, "select 'stumble'").stderr
    (refused,) = weir.trail(kind="refused")
    assert "decide: exception: ValueError at plugin.py:" in str(refused)
    assert "stumbled over" not in str(refused)
    assert found(weir, "after")["variables"] == "{}"


def test_who_sleeps_or_leaves_is_refused_and_the_next_operation_is_judged(gateway):
    weir = gateway()
    # Without a clock an hour is over at once; leaving ends the instance, not the gateway.
    assert ask(weir, "select 'hang'").stdout.strip() == "hang"
    assert "HINT:  weir: plugin-trap" in ask(weir, "select 'leave'").stderr
    assert found(weir, "after")["variables"] == "{}"
