"""Operations that wait for a person, and every way the waiting can end."""

from __future__ import annotations

import signal
import threading

import psycopg
import pytest
import wire
from holding import alone, approve, hold, refused_by, review, reviews, table, touched, update, usable, waiting, weir
from wire import Wire, bind, errors, execute, parse, query, tags

# --- approve and deny


def test_approved_from_the_command_line_runs_once(weir, table, touched, mark):
    text = update(table, mark())
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(text))
        assert touched() == 0
        (listed,) = [each for each in waiting(weir) if each["id"] == identifier]
        assert listed["text"] == text and listed["requester"]["id"] == "ann" and listed["code"] == "bulk-write"
        assert identifier in weir.as_person("lea", "approvals", "list").stdout
        shown = weir.as_person("lea", "approvals", "show", identifier).stdout
        assert table in shown and listed["digest"] in shown.replace("\n", "").replace(" ", "") and "ann" in shown
        approve(weir, identifier, "lea", "--reason", "agreed", "--digest", listed["digest"])
        said = client.until_ready()
        assert tags(said) == "CZ" and said[0].body == b"UPDATE 3\0"
        assert touched() == 1
        usable(client)
    (held,) = [each for each in weir.trail(kind="held") if each["body"]["detail"]["approval"] == identifier]
    (reviewed,) = [each for each in weir.trail(kind="reviewed") if each["body"]["detail"]["approval"] == identifier]
    (intent,) = [each for each in weir.trail(kind="intent") if each["body"]["detail"].get("approval") == identifier]
    assert held["body"]["detail"]["digest"] == reviewed["body"]["detail"]["digest"] == listed["digest"]
    assert reviewed["body"]["detail"]["reviewer"] == "lea" and reviewed["payload"]["comment"] == "agreed"
    assert intent["payload"]["text"] == text and intent["body"]["verdict"] == "hold"
    assert held["seq"] < reviewed["seq"] < intent["seq"]
    # Used once: it is no longer there to be approved again.
    assert review(weir, identifier, "lea") == (404, "not-waiting")
    assert touched() == 1


def test_the_same_text_asks_again(weir, table, touched):
    with Wire(weir.endpoint) as client:
        first = hold(weir, client, query(update(table)))
        approve(weir, first)
        client.until_ready()
        second = hold(weir, client, query(update(table)))
        assert second != first and touched() == 1
        assert review(weir, second, "lea", "deny", comment="once is enough") == (200, "")
        assert "once is enough" in errors(client.until_ready())[0].text
    assert touched() == 1


def test_denied_with_a_reason(weir, table, touched):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        weir.as_person("lea", "approvals", "deny", identifier, "--reason", "not on a Friday")
        said = client.until_ready()
        (error,) = errors(said)
        assert error.sqlstate == "42501" and error.text == "lea did not approve this operation: not on a Friday"
        assert tags(said) == "EZ"
        usable(client)
    assert touched() == 0
    assert refused_by(weir, identifier) == "approval"


def test_parameters_are_shown_and_run_as_shown(weir, table, touched, server):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, parse(f"update {table} set touched = $1::int"), bind("41"), wire.describe(), execute(), wire.SYNC)
        (listed,) = [each for each in waiting(weir) if each["id"] == identifier]
        assert [each["value"] for each in listed["parameters"]] == ["41"]
        approve(weir, identifier)
        assert tags(client.until_ready()) == "12nCZ"
    assert touched() == 41


def test_inside_a_transaction(weir, table, touched):
    with Wire(weir.endpoint) as client:
        client.ask_text("begin")
        identifier = hold(weir, client, query(update(table)))
        weir.as_person("lea", "approvals", "deny", identifier)
        assert client.until_ready()[-1].body == b"E", "a refusal fails the transaction like any error"
        client.ask_text("rollback")
        client.ask_text("begin")
        approve(weir, hold(weir, client, query(update(table))))
        assert client.until_ready()[-1].body == b"T"
        assert client.ask_text("commit")[-1].body == b"I"
    assert touched() == 1


def test_a_driver_waits_and_shows_the_notice(weir, connect, table, touched):
    connection, notices = connect(weir.endpoint), []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    waits = threading.Thread(target=connection.execute, args=(update(table),))
    waits.start()
    (request,) = weir.wait_for("the request", lambda: [each for each in waiting(weir) if table in each["text"]])
    approve(weir, request["id"])
    waits.join(20)
    assert not waits.is_alive() and touched() == 1
    assert notices == [f"weir: waiting for approval {request['id']}: {request['reason']}"]


# --- who may review


def test_nobody_approves_their_own_nor_do_their_agents(weir, table, touched):
    max_asks, his_agent_asks = weir.endpoint_of("max"), weir.endpoint_of("lea-agent")
    with Wire(max_asks) as client:
        identifier = hold(weir, client, query(update(table)))
        assert review(weir, identifier, "max") == (403, "own-request")
        refused = weir.as_person("max", "approvals", "approve", identifier, check=False)
        assert refused.returncode != 0 and "own" in refused.stderr
        assert review(weir, identifier, "ann")[0] == 403
        assert review(weir, identifier, "ann-agent")[0] == 403
        assert touched() == 0
        approve(weir, identifier)
        assert tags(client.until_ready()) == "CZ"
    with Wire(his_agent_asks) as client:
        identifier = hold(weir, client, query(update(table)))
        assert review(weir, identifier, "lea") == (403, "own-request")
        assert touched() == 1
        approve(weir, identifier, "max")
        client.until_ready()
    assert touched() == 2


def test_who_is_no_reviewer_learns_and_does_nothing(weir, table, touched):
    with Wire(weir.endpoint_of("max")) as client:
        identifier = hold(weir, client, query(update(table)))
        assert review(weir, identifier, "ann") == (403, "not-reviewer")
        assert identifier not in [each["id"] for each in waiting(weir, "ann")]
        assert weir.as_person("ann", "approvals", "show", identifier, check=False).returncode != 0
        # The operator's token names no person.
        assert weir.command("approvals", "approve", identifier, check=False).returncode != 0
        wrong = weir.command("approvals", "approve", identifier, check=False, env={"WEIR_USER": "lea", "WEIR_PASSWORD": "wrong"})
        assert wrong.returncode != 0
        assert touched() == 0 and identifier in [each["id"] for each in waiting(weir)]
        weir.as_person("lea", "approvals", "deny", identifier)
        client.until_ready()
    assert touched() == 0


@pytest.mark.parametrize("who, kind", [("max-agent", "agent"), ("ci", "service")])
def test_only_a_person_reviews(weir, table, touched, who, kind):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        for vote in ("approve", "deny"):
            assert review(weir, identifier, who, vote) == (403, "not-a-person")
        refused = weir.as_person(who, "approvals", "approve", identifier, check=False)
        assert refused.returncode != 0 and f"{who} is of kind `{kind}`: somebody of kind `human` must review it" in refused.stderr
        assert touched() == 0 and identifier in [each["id"] for each in waiting(weir)]
        approve(weir, identifier)
        assert tags(client.until_ready()) == "CZ"
    assert touched() == 1


def test_who_is_no_reviewer_any_more_does_not_approve_what_waits(alone, table, touched):
    weir = alone()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        text = weir.config.read_text()
        changed = text.replace('reviewers = ["group:leads"]', 'reviewers = ["user:max"]')
        assert changed != text
        weir.config.write_text(changed)
        weir.wait_for("the reload", lambda: weir.trail(kind="config-applied")[1:])
        assert review(weir, identifier, "lea") == (403, "not-reviewer")
        refused = weir.as_person("lea", "approvals", "approve", identifier, check=False)
        assert "lea is no longer among the reviewers of customers: user:max" in refused.stderr
        assert identifier not in [each["id"] for each in waiting(weir)]
        assert touched() == 0
        approve(weir, identifier, "max")
        assert tags(client.until_ready()) == "CZ"
    assert touched() == 1


def test_another_digest_is_a_conflict(weir, table, touched):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        assert review(weir, identifier, "lea", digest="0" * 64) == (409, "other-digest")
        assert touched() == 0
        weir.as_person("lea", "approvals", "deny", identifier)
        client.until_ready()
    assert touched() == 0


# --- endings nobody reviews


def test_expiry(alone, table, touched):
    weir = alone(resource={"limits": {"approval_timeout": "1s"}})
    with Wire(weir.endpoint) as client:
        client.send(query(update(table)))
        said = client.until_ready()
        assert tags(said) == "EZ"
        assert (errors(said)[0].sqlstate, errors(said)[0].text) == ("42501", "nobody approved this operation in time")
        usable(client)
    (held,) = weir.trail(kind="held")
    identifier = held["body"]["detail"]["approval"]
    weir.wait_for("its record", lambda: reviews(weir, identifier) == ["expired"])
    assert review(weir, identifier, "lea") == (404, "not-waiting")
    assert touched() == 0


def test_cancelled_while_held(weir, table, touched):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        wire.cancel(weir.endpoint, client.key)
        said = client.until_ready()
        assert errors(said)[0].sqlstate == "57014" and tags(said) == "EZ"
        usable(client)
        assert review(weir, identifier, "lea") == (404, "not-waiting")
    weir.wait_for("its record", lambda: reviews(weir, identifier) == ["cancelled"])
    assert refused_by(weir, identifier) == "client"
    assert touched() == 0


def test_cancel_with_a_wrong_key_does_nothing(weir, table, touched):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        wire.cancel(weir.endpoint, (client.key[0], bytes(len(client.key[1]))))
        approve(weir, identifier)
        assert tags(client.until_ready()) == "CZ"
    assert touched() == 1


@pytest.mark.parametrize("how", ["terminate", "close", "reset"])
def test_client_gone_means_nothing_runs(weir, table, touched, how):
    client = Wire(weir.endpoint)
    identifier = hold(weir, client, query(update(table)))
    if how == "terminate":
        client.send(wire.TERMINATE)
    if how == "reset":
        client.reset()
    client.close()
    weir.wait_for("the request to go", lambda: identifier not in [each["id"] for each in waiting(weir)])
    assert review(weir, identifier, "lea") == (404, "not-waiting")
    weir.wait_for("its record", lambda: reviews(weir, identifier) == ["client-gone"])
    assert refused_by(weir, identifier) == "client"
    assert touched() == 0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_gone_behind_all_it_has_sent(weir, table, touched, how):
    """More waits behind the held operation than weir buffers otherwise: its end is seen all the same."""
    client = Wire(weir.endpoint)
    identifier = hold(weir, client, query(update(table)))
    client.send(query(f"select 1 /* {'x' * 1000} */") * 1500)
    if how == "reset":
        client.reset()
    client.close()
    weir.wait_for("the request to go", lambda: identifier not in [each["id"] for each in waiting(weir)])
    weir.wait_for("its record", lambda: reviews(weir, identifier) == ["client-gone"])
    assert refused_by(weir, identifier) == "client"
    assert touched() == 0


def test_who_sends_more_than_is_kept_does_not_wait(alone, table, touched):
    weir = alone(resource={"limits": {"max_operation_bytes": "64KiB", "buffer_bytes": "64KiB"}})
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        client.send(query(f"select 1 /* {'x' * 1000} */") * 200)
        said = client.until_ready(201)
        assert [error.sqlstate for error in errors(said)] == ["54000"] and tags(said).count("C") == 200
        usable(client)
    assert reviews(weir, identifier) == ["overrun"] and refused_by(weir, identifier) == "client"
    assert touched() == 0


def test_session_killed_while_held(weir, table, touched):
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        (session,) = [each["session"] for each in waiting(weir) if each["id"] == identifier]
        weir.command("sessions", "kill", session)
        (error,) = errors(client.until_closed())
        assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P01")
    assert review(weir, identifier, "lea") == (404, "not-waiting")
    weir.wait_for("its record", lambda: reviews(weir, identifier) == ["session-killed"])
    assert refused_by(weir, identifier) == "operator"
    (ended,) = weir.wait_for("the end", lambda: weir.trail(kind="session-ended", session=session))
    (killed,) = weir.trail(kind="session-killed", session=session)
    assert killed["seq"] < ended["seq"] and ended["body"]["status"] == "revoked"
    assert killed["body"]["detail"]["actor"] == "operator" and killed["payload"]["address"] == "127.0.0.1"
    assert touched() == 0


def test_gateway_stopped_while_held(alone, table, touched):
    weir = alone()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        weir.process.send_signal(signal.SIGTERM)
        assert {error.sqlstate for error in errors(client.until_closed())} == {"57P01"}
    assert weir.process.wait(20) == 0
    assert reviews(weir, identifier) == ["host-stopped"] and refused_by(weir, identifier) == "host"
    assert touched() == 0
    weir.start()
    assert waiting(weir) == [] and review(weir, identifier, "lea") == (404, "not-waiting")
    assert touched() == 0
    weir.command("audit", "verify")


def test_gateway_killed_while_held(alone, table, touched):
    weir = alone()
    with Wire(weir.endpoint) as client:
        identifier = hold(weir, client, query(update(table)))
        weir.kill()
    weir.start()
    assert waiting(weir) == [] and reviews(weir, identifier) == ["host-stopped"]
    assert touched() == 0
    weir.command("audit", "verify")


def test_psycopg_cancel_while_held(weir, connect, table, touched):
    connection, failed = connect(weir.endpoint), []

    def run() -> None:
        try:
            connection.execute(update(table))
        except psycopg.errors.QueryCanceled as cancelled:
            failed.append(cancelled)

    waits = threading.Thread(target=run)
    waits.start()
    weir.wait_for("the request", lambda: [each for each in waiting(weir) if table in each["text"]])
    connection.cancel()
    waits.join(20)
    assert failed and touched() == 0
