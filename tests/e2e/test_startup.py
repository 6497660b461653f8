"""What comes with the first packet: judged and recorded before the upstream hears of it; and how many may come."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import MASK
from endpoint import Endpoint
from weir import BINARY, Weir
from wire import Message, Refused, Wire, errors, rows

NO_SETTINGS = {"sql-guard": {"settings": {"deny": ["session-setting", "privilege-change"]}}}


class Nobody:
    """An upstream that counts who comes, and says nothing."""

    def __enter__(self) -> Nobody:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.came = 0
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.came += 1
            connection.close()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.listening.getsockname()[1], "postgres", "throwaway", "customers")


def refused(weir: Weir, **parameters: str) -> Refused:
    with pytest.raises(Refused) as caught:
        Wire(weir.endpoint, **parameters)
    return caught.value


@pytest.mark.parametrize("parameters, name", [
    ({"options": "-c role=postgres"}, "role"),
    ({"options": "--search-path=other"}, "search_path"),
    ({"options": "-c app.tenant=7"}, "app.tenant"),
    ({"app.tenant": "7"}, "app.tenant"),
    ({"statement_timeout": "0"}, "statement_timeout"),
])
def test_a_setting_that_is_denied_never_reaches_the_upstream(parameters, name):
    with Nobody() as nobody, Weir(nobody.endpoint, pipeline=("postgres", "sql-guard"), default="deny", plugins=NO_SETTINGS) as weir:
        said = refused(weir, **parameters)
        assert said.sqlstate == "42501" and f'"{name}"' in said.message.fields["M"]
        assert nobody.came == 0
        (record,) = weir.trail(kind="login-failed")
        assert record["body"]["principal"] == "ann"
        detail = record["body"]["detail"]
        assert (detail["stage"], detail["code"]) == ("settings", "42501")
        assert [(judge["plugin"], judge["answer"]) for judge in detail["judged_by"]] == [("sql-guard", "deny")]
        assert name in record["payload"]["reason"]
        # What every driver sends is no reason to refuse; the login now gets as far as the upstream.
        refused(weir, application_name="psql", DateStyle="ISO, MDY", TimeZone="UTC", extra_float_digits="2", client_encoding="UTF8")
        assert nobody.came == 1
        assert weir.trail(kind="login-failed")[-1]["body"]["detail"]["stage"] == "connect"
        assert weir.trail(kind="intent") == []


@pytest.mark.parametrize("options", ["-Ec role=postgres", "-Ecrole=postgres", "-O", "role=postgres"])
def test_options_that_are_no_settings_are_refused(options):
    with Nobody() as nobody, Weir(nobody.endpoint, pipeline=("postgres",)) as weir:
        assert "options" in refused(weir, options=options).message.fields["M"]
        assert nobody.came == 0


def test_a_setting_is_recorded_before_the_upstream_gets_it(upstream):
    with Nobody() as nobody, Weir(nobody.endpoint, pipeline=("postgres", "allow"), default="deny") as weir:
        refused(weir, options="-c app.tenant=7")
        (intent,) = weir.trail(kind="intent")
        assert intent["payload"]["text"] == """SET "app"."tenant" TO '7'"""
        assert intent["body"]["detail"]["operation_kind"] == "sql.startup"
        assert [judge["answer"] for judge in intent["body"]["detail"]["judged_by"]] == ["allow"]
        (outcome,) = weir.wait_for("its outcome", lambda: weir.trail(kind="outcome"))
        assert outcome["body"]["operation"] == intent["body"]["operation"]
        assert outcome["body"]["status"] != "ok"
    with Weir(upstream, pipeline=("postgres", "allow"), default="deny") as weir:
        with Wire(weir.endpoint, options="-c app.tenant=7", application_name="me") as wire:
            assert rows(wire.ask_text("show app.tenant")) == [("7",)]
            kinds = [(each["body"]["kind"], each.get("payload", {}).get("text")) for each in weir.trail(session=weir.trail(kind="session-opened")[0]["body"]["session"])]
            assert kinds[:4] == [("intent", """SET "app"."tenant" TO '7'"""), ("outcome", None), ("session-opened", None), ("intent", "show app.tenant")]
            (opened,) = weir.trail(kind="session-opened")
            assert {"name": "application_name", "value": "me"} in opened["payload"]["claimed"]
        assert weir.command("audit", "verify").returncode == 0


def test_a_policy_that_fails_open_says_so_for_a_setting_too(upstream):
    with Weir(upstream, pipeline=("postgres", "moody"), plugins={"moody": {"failure_mode": "open"}}) as weir:
        with Wire(weir.endpoint, **{"app.mood": "/* moody: trap */"}) as wire:
            assert errors(wire.ask_text("select 1")) == []
        setting = weir.trail(kind="intent")[0]
        assert {"name": "failure-mode-opened", "value": "moody"} in setting["payload"]["tags"]
        assert [judge["answer"] for judge in setting["body"]["detail"]["judged_by"]] == ["failed"]


def test_values_of_settings_are_masked_in_the_trail(gateway):
    weir = gateway(pipeline=("postgres", "allow", "pii-mask"), default="deny", plugins={"pii-mask": {"settings": MASK}})
    with Wire(weir.endpoint, **{"app.mail": "erika.mustermann@example.org"}) as wire:
        assert rows(wire.ask_text("show app.mail")) == [("[EMAIL]",)]
    assert "erika.mustermann" not in weir.command("audit", "export").stdout
    assert "erika.mustermann" not in weir.log.read_text()


# How many


def test_a_seat_is_taken_before_the_upstream_is(upstream):
    with Weir(upstream, pipeline=("postgres",), sections={"limits": {"max_sessions_per_user": 1}}) as weir, Nobody() as nobody:
        with Wire(weir.endpoint) as first:
            assert rows(first.ask_text("select 1")) == [("1",)]
            # With the upstream elsewhere now, only who has a seat gets there.
            weir.upstream = nobody.endpoint
            weir.write_config()
            weir.wait_for("the change", lambda: len(weir.trail(kind="config-applied")) == 2)
            assert refused(weir).sqlstate == "53300"
            assert nobody.came == 0
            detail = weir.trail(kind="login-failed")[-1]["body"]["detail"]
            assert (detail["stage"], detail["code"]) == ("seat", "53300")


def test_strangers_at_the_door_are_bounded(upstream):
    with Weir(upstream, pipeline=("postgres",), sections={"server": {"max_sessions": 3}}) as weir:
        waiting = [socket.create_connection(("127.0.0.1", weir.port)) for _ in range(3)]
        for each in waiting:
            each.sendall(b"\0")  # it has been accepted and is at its login
        weir.wait_for("the fourth to be refused", lambda: at_once(weir) == "53300")
        assert weir.metric("weir_connections_refused_total") >= 1
        for each in waiting:
            each.close()
        weir.wait_for("room", lambda: at_once(weir) is None)
        with Wire(weir.endpoint) as wire:
            assert rows(wire.ask_text("select 1")) == [("1",)]


def test_a_taken_address_is_told_once_with_its_key(gateway):
    weir = gateway(start=False)
    weir.prepare()
    for key, port in (("resource.customers.listen", weir.port), ("admin.listen", weir.admin_port)):
        with socket.create_server(("127.0.0.1", port)):
            done = weir.command("run", check=False, timeout=60)
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if "cannot listen" in line]
        assert line.startswith(f"weir: {key}: cannot listen on 127.0.0.1:{port}: ") and line.count("os error") == 1
        assert "another program listens there" in line


def at_once(weir: Weir) -> str | None:
    """What a client reads that has not said anything yet."""
    with socket.create_connection(("127.0.0.1", weir.port)) as client:
        client.settimeout(0.3)
        try:
            said = client.recv(1000)
        except TimeoutError:
            return None
        return Message(chr(said[0]), said[5:]).sqlstate if said else ""


def test_a_large_value_passes_while_others_are_masked(standard):
    """7 MiB of bytea are 14 MiB of text: below `max_answer_bytes`, so the session goes on, in either format."""
    weir = standard(mask={"columns": ["customers.full_name"]}, resource={"default": "allow"})
    with Wire(weir.endpoint) as wire:
        said = wire.ask_text("select full_name, decode(repeat('00ff1080', 1835008), 'hex') from customers where id = 9001")
        assert errors(said) == []
        assert rows(said) == [("[REDACTED]", "\\x" + "00ff1080" * 1835008)]
        assert rows(wire.ask_text("select 1")) == [("1",)]


def test_a_reader_that_leaves_early_is_no_crash(gateway):
    weir = gateway()
    command = [str(BINARY), "user", "list", "--json", "--config", str(weir.config)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=weir.environment())
    assert done.returncode == 1 and "cannot be written" in done.stderr and "panic" not in done.stderr
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=weir.environment())
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
