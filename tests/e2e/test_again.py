"""A policy that says that its decision serves again is not asked about the same statement with other values. The trail tells
of each execution what it would without."""

from __future__ import annotations

import hashlib

import psycopg
import pytest
from weir import Weir

QUERY = "select id from customers where id = %s"


@pytest.fixture
def guarded(upstream):
    with Weir(upstream, pipeline=("postgres", "sql-guard")) as weir:
        yield weir


def calls(weir: Weir) -> tuple[float, float]:
    """Calls of the policy so far, and operations it was not asked about."""
    return tuple(weir.metric(f'weir_plugin_{name}_total{{plugin="sql-guard"') for name in ("calls", "decisions_reused"))


def test_executions_with_other_values_are_judged_once_and_recorded_each(guarded, connect):
    client = connect(guarded.endpoint)
    run = lambda id: client.execute(QUERY, (id,), prepare=True).fetchall()
    assert run(1) == [(1,)]
    asked, reused = calls(guarded)
    for id in range(2, 7):
        assert run(id) == [(id,)]
    assert calls(guarded) == (asked, reused + 5)
    digest = hashlib.sha256((guarded.plugins_folder / "sql-guard.wasm").read_bytes()).hexdigest()
    intents = [each for each in guarded.trail(kind="intent") if "parameters" in each["payload"]]
    assert [[value["value"] for value in each["payload"]["parameters"]] for each in intents] == [[str(id)] for id in range(1, 7)]
    for each in intents:
        by = {judge["plugin"]: (judge["digest"], judge["answer"]) for judge in each["body"]["detail"]["judged_by"]}
        assert by["sql-guard"] == (digest, "allow")


def test_a_text_that_was_not_looked_at_may_be_another(guarded, connect):
    client = connect(guarded.endpoint)
    client.execute("select id from customers where id = 1")
    asked, reused = calls(guarded)
    for text in ("select id from customers where id = 2", "select id from customers order by id limit 1"):
        client.execute(text)
    assert calls(guarded) == (asked, reused + 2)
    # The class is another, and so is what is said of it.
    with pytest.raises(psycopg.Error, match="deny|not allowed|refused|harmless"):
        client.execute("select id, my_function(id) from customers where id = 3")


def test_another_statement_and_a_new_version_are_asked(guarded, connect):
    client = connect(guarded.endpoint)
    run = lambda query: client.execute(query, (1,), prepare=True)
    for _ in range(2):
        run(QUERY)
    asked, reused = calls(guarded)
    run("update customers set id = id where id = %s")
    after = calls(guarded)
    assert after[0] > asked and after[1] == reused
    changed = guarded.folder / "changed.wasm"
    # The same policy with a custom section more: another digest.
    changed.write_bytes((guarded.plugins_folder / "sql-guard.wasm").read_bytes() + b"\0\6\4test1")
    digest = hashlib.sha256(changed.read_bytes()).hexdigest()
    guarded.install("sql-guard", changed)
    guarded.wait_for("the new version", lambda: any(digest in str(each) for each in guarded.trail(kind="plugin-loaded")))
    asked, reused = calls(guarded)
    run(QUERY)
    after = calls(guarded)
    assert after[0] > asked and after[1] == reused
