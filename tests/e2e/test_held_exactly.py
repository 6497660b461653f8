"""What is approved is what is executed: this operation, and nothing else."""

from __future__ import annotations

import json

import pytest
import wire
from holding import alone, approve, hold, review, table, touched, update, usable, waiting, weir
from weir import PLUGINS
from wire import Wire, bind, errors, execute, extended, parse, query, rows, tags


def test_approval_does_not_cover_what_is_pipelined_behind(weir, table, touched, server, reached, mark):
    """Another held statement sent behind the first waits for its own approval."""
    behind = mark()
    with Wire(weir.endpoint) as client:
        first = hold(weir, client, query(update(table)), query(f"delete from {table} /* {behind} */"))
        assert [each["id"] for each in waiting(weir) if table in each["text"]] == [first], "one at a time"
        approve(weir, first)
        said = client.until_ready()
        assert tags(said) == "CZ"
        # The notice about the second comes as soon as it waits, maybe before the first is answered.
        notice = next((each for each in said if each.tag == "N"), None) or client.until("N")[-1]
        second = notice.text.split()[4].rstrip(":")
        assert second != first and not reached(behind)
        weir.as_person("lea", "approvals", "deny", second)
        assert tags(client.until_ready()) == "EZ"
        usable(client)
    assert touched() == 1 and not reached(behind)


def test_bytes_that_come_while_it_waits_change_nothing(weir, table, touched, reached, mark):
    behind = mark()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        client.send(query(f"select '{behind}'"), b"Q\0\0")
        assert not reached(behind)
        approve(weir, identifier)
        assert tags(client.until_ready(2)) == "CZTDCZ"
    assert touched() == 1 and reached(behind)


def test_held_in_the_middle_of_a_batch(weir, table, touched, mark):
    """What stands before it runs at once, what is behind waits with it; denied, it is skipped."""
    one, two = mark(), mark()
    batch = extended(f"select '{one}'"), extended(update(table)), extended(f"select '{two}'"), wire.SYNC
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, *batch)
        weir.as_person("lea", "approvals", "deny", identifier)
        said = client.until_ready()
        assert errors(said) and not [row for row in rows(said) if row == (two,)]
        usable(client)
        identifier = hold(weir, client, *batch)
        approve(weir, identifier)
        said = client.until_ready()
        assert not errors(said) and (two,) in rows(said)
    assert touched() == 1


def test_two_sessions_with_the_same_text_need_two_approvals(weir, table, touched):
    with Wire(weir.endpoint) as one, Wire(weir.endpoint) as two:
        first, second = (hold(weir, client, query(update(table))) for client in (one, two))
        digests = {each["id"]: each["digest"] for each in waiting(weir) if each["id"] in (first, second)}
        assert len(set(digests.values())) == 2, "bound to the session"
        assert review(weir, second, "lea", digest=digests[first]) == (409, "other-digest")
        approve(weir, first)
        assert tags(one.until_ready()) == "CZ"
        assert touched() == 1 and second in [each["id"] for each in waiting(weir)]
        approve(weir, second)
        assert tags(two.until_ready()) == "CZ"
    assert touched() == 2


def bound(client: Wire, text: str) -> None:
    """In a transaction, a portal `q` that nothing has run."""
    client.ask(query("begin"))
    assert not errors(client.ask(parse(text, "p") + bind(portal="q", statement="p") + wire.SYNC))


@pytest.mark.parametrize("run", [query("fetch all from q"), query('FETCH forward 1 in "q"'), query("move all in q"), extended("fetch q") + wire.SYNC],
                         ids=["fetch", "quoted", "move", "extended"])
@pytest.mark.parametrize("forget", ["", "close nothing_like_it"])
def test_what_a_bind_has_made_is_judged_when_sql_runs_it(weir, table, touched, run, forget):
    with Wire(weir.endpoint) as client:
        bound(client, f"update {table} set touched = touched + 1 returning id")
        if forget and b"fetch all" in run:
            client.ask(query("savepoint s"))
            assert errors(client.ask(query(forget)))
            client.ask(query("rollback to s"))
        identifier = hold(weir, client, run)
        (listed,) = [each for each in waiting(weir) if each["id"] == identifier]
        assert listed["code"] == "bulk-write" and table in json.dumps(listed)
        weir.as_person("lea", "approvals", "deny", identifier)
        assert errors(client.until_ready())
        client.ask(query("rollback"))
        assert touched() == 0


@pytest.mark.parametrize("run", [f"close {'n' * 70}; fetch q", "select 1; fetch q", "fetch q; fetch q", "move what q", 'fetch "é"', f"fetch {'q' * 70}"])
def test_what_is_not_sure_to_be_a_cursor_is_not_run(weir, table, touched, run):
    with Wire(weir.endpoint) as client:
        bound(client, f"update {table} set touched = touched + 1 returning id")
        (error,) = errors(client.ask(query(run)))
        assert "use Execute" in error.text or "not understood" in error.text
        client.ask(query("rollback"))
        assert touched() == 0


def test_a_portal_that_reads_is_moved_and_fetched_as_ever(weir):
    """asyncpg does."""
    with Wire(weir.endpoint) as client:
        bound(client, "select generate_series(1, 5)")
        assert not errors(client.ask(query("move forward 2 in q")))
        assert rows(client.ask(query("fetch q"))) == [("3",)]
        assert rows(client.ask(execute("q", 1) + wire.SYNC)) == [("4",)]
        client.ask(query("commit"))
        client.ask(query("begin"))
        assert rows(client.ask(query("declare own cursor for select 7; fetch own"))) == [("7",)]
        client.ask(query("rollback"))
    (moved,) = [each for each in weir.trail(kind="intent") if each["payload"].get("text") == "move forward 2 in q"]
    assert {"name": "sql-executes", "value": "select generate_series(1, 5)"} in moved["payload"]["attributes"]


def test_prepared_statement_replaced_while_it_waits(weir, table, touched, server):
    """The held Execute runs what was shown, whatever the client sends behind it."""
    with Wire(weir.endpoint) as client:
        client.ask(parse(update(table), "s"), wire.SYNC)
        identifier = hold(weir, client, bind(statement="s"), execute(), wire.SYNC,
                          wire.close("s"), parse(f"delete from {table}", "s"), wire.SYNC)
        (listed,) = [each for each in waiting(weir) if each["id"] == identifier]
        assert listed["text"] == update(table)
        approve(weir, identifier)
        assert tags(client.until_ready(2)) == "2CZ31Z"
        second = hold(weir, client, bind(statement="s"), execute(), wire.SYNC)
        (listed,) = [each for each in waiting(weir) if each["id"] == second]
        assert listed["text"] == f"delete from {table}"
        weir.as_person("lea", "approvals", "deny", second)
        client.until_ready()
    assert touched() == 1


def test_policy_that_denies_now_wins_over_the_approval(alone, table, touched):
    weir = alone()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        loaded = len(weir.trail(kind="plugin-loaded"))
        weir.install("gate", PLUGINS / "closed.wasm")
        weir.wait_for("the new policy", lambda: len(weir.trail(kind="plugin-loaded")) > loaded)
        approve(weir, identifier)
        said = client.until_ready()
        assert errors(said)[0].text == "the house is closed" and tags(said) == "EZ"
        assert touched() == 0
        loaded = len(weir.trail(kind="plugin-loaded"))
        weir.install("gate", PLUGINS / "allow.wasm")
        weir.wait_for("the old policy", lambda: len(weir.trail(kind="plugin-loaded")) > loaded)
        usable(client)
    (refused,) = [each for each in weir.trail(kind="refused") if table in each["payload"]["text"]]
    assert refused["body"]["detail"]["by"] == "policy" and refused["body"]["detail"]["approval"] == identifier


def test_policy_that_is_gone_wins_over_the_approval(alone, table, touched):
    weir = alone()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        (weir.plugins_folder / "gate.wasm").unlink()
        weir.wait_for("the removal", lambda: weir.trail(kind="plugin-removed"))
        approve(weir, identifier)
        assert errors(client.until_ready())[0].text == "the policy gate could not decide"
    assert touched() == 0


def test_nobody_to_ask_is_a_refusal(gateway, table, touched):
    weir = gateway(pipeline=("postgres", "sql-guard"), default="deny", resource={"reviewers": []})
    with Wire(weir.endpoint) as client:
        said = client.ask_text(update(table))
        assert "nobody may approve" in errors(said)[0].text and tags(said) == "EZ"
        usable(client)
    assert touched() == 0
