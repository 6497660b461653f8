"""What SQL prepares and executes by name is judged by what it runs, whatever happens in between."""

from __future__ import annotations

import pytest
from conftest import GUARD, PLUGINS
from weir import Weir
from wire import Wire, errors, query, rows


@pytest.fixture
def weir(upstream):
    with Weir(upstream, pipeline=["postgres", "sql-guard"], default="deny", plugins={"sql-guard": {"settings": GUARD | {"deny": ["bulk-write"]}}}) as running:
        yield running


def test_a_replaced_policy_still_knows_what_is_executed(weir, tmp_path):
    with Wire(weir.endpoint) as wire:
        wire.ask(query("prepare asked as select 7"))
        assert rows(wire.ask(query("execute asked"))) == [("7",)]
        # The same plugin with a custom section behind it, so that it is another file.
        other = tmp_path / "sql-guard.wasm"
        other.write_bytes((PLUGINS / "sql-guard.wasm").read_bytes() + b"\0\3\2xx")
        loaded = len(weir.trail(kind="plugin-loaded"))
        weir.install("sql-guard", other)
        weir.wait_for("the new policy", lambda: len(weir.trail(kind="plugin-loaded")) > loaded)
        assert rows(wire.ask(query("execute asked"))) == [("7",)]
        assert errors(wire.ask(query("execute never_prepared")))[0].sqlstate == "42501"


@pytest.mark.parametrize("executes", ["execute asked", "explain analyze execute asked", "select 1; execute asked"])
def test_a_name_that_may_mean_another_text_is_not_executed(weir, executes):
    with Wire(weir.endpoint) as wire:
        assert errors(wire.ask(query("prepare asked as select 7"))) == []
        assert errors(wire.ask(query(executes))) == []
        # One of these fails at the server, but which one is not said: what the name means is in doubt.
        assert errors(wire.ask(query("select 1; prepare asked as select 8"))) != []
        assert errors(wire.ask(query(executes)))[0].sqlstate == "42501"
