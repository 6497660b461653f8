"""A result whose columns came before costs the inspector no second call. What is wanted of it is what the maskers want now:
no value is shown in clear because something was remembered."""

from __future__ import annotations

import threading

import leaks
import pytest
from conftest import MASK, PLUGINS
from test_reload import Replacing, another_build, digest, edit
from weir import Weir
from wire import SYNC, Wire, bind, describe, errors, execute, parse, query, rows

CANARY = "select id, email from customers where id = 9001"
#: without named columns every plan serves again, whatever the statement
DETECTING = {"detect": MASK["detect"]}
#: how often the masker is replaced, 200 ms apart
REPLACED = 25
#: longer than a name of the catalog is believed
BELIEVED_SECONDS = 60


@pytest.fixture
def masking(upstream):
    with Weir(upstream, pipeline=("postgres", "pii-mask"), plugins={"pii-mask": {"settings": DETECTING}},
              sections={"audit": {"patience": "60s"}}) as weir:
        yield weir


def calls(weir: Weir) -> float:
    return weir.metric('weir_plugin_calls_total{plugin="postgres"')


def prepared(wire: Wire, name: str, is_described: bool = True) -> list:
    return wire.ask(bind(statement=name), *([describe()] if is_described else []), execute(), SYNC)


def test_a_result_whose_columns_are_known_is_two_calls_of_the_inspector(masking):
    with Wire(masking.endpoint) as wire:
        wire.ask(parse("select id, balance from customers where id = 1", name="s"), SYNC)
        asked = {"simple": lambda: wire.ask_text("select id, balance from customers where id = 1"),
                 "described": lambda: prepared(wire, "s"),
                 "not described": lambda: prepared(wire, "s", is_described=False)}
        expected = {}
        for name, ask in asked.items():
            expected[name] = ask()
            ask()
        for name, ask in asked.items():
            before = calls(masking)
            for _ in range(10):
                assert ask() == expected[name]
            assert calls(masking) - before == 20, name


def test_no_value_is_shown_while_the_masker_is_replaced(masking):
    """Five times a second, under sessions that ask the same in every way."""
    builds = [another_build(PLUGINS / "pii-mask.wasm", mark) for mark in "ab"]
    over, failures, received = threading.Event(), [], [[], []]

    def ask_again(taken: list[bytes]) -> None:
        try:
            with Wire(masking.endpoint) as wire:
                wire.ask(parse(CANARY, name="s"), SYNC)
                while not over.is_set():
                    asked = [wire.ask_text(CANARY), prepared(wire, "s"), prepared(wire, "s", is_described=False),
                             wire.ask_text(f"{CANARY}; select id from customers where id = 9001; {CANARY}"),
                             wire.ask_text(f"copy ({CANARY}) to stdout")]
                    assert [errors(each) for each in asked] == [[]] * 5
                    assert {rows(each)[0] for each in asked[:3]} == {("9001", "[EMAIL]")}, asked
                    taken.extend(message.body for each in asked for message in each)
        except BaseException as failure:
            failures.append(failure)
            raise

    def in_service() -> bool:
        told = str(masking.trail(kind="plugin-loaded"))
        return all(digest(build) in told for build in builds)

    threads = [threading.Thread(target=ask_again, args=(each,)) for each in received]
    with Replacing(masking, {"pii-mask": builds}) as replacing:
        for thread in threads:
            thread.start()
        masking.wait_for("each build in service", lambda: failures or (replacing.times >= REPLACED and in_service()), seconds=120)
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert all(len(each) > 100 for each in received)
    assert leaks.found_in(b"\n".join(body for each in received for body in each)) == []
    assert in_service()
    assert leaks.found_in(str(masking.trail()).encode()) == []


def test_a_changed_setting_of_the_masker_holds_for_the_very_next_result(gateway):
    masking = gateway(pipeline=("postgres", "pii-mask"), plugins={"pii-mask": {"settings": {"columns": ["customers.full_name"], "detect": []}}})
    with Wire(masking.endpoint) as wire:
        text = "select full_name from customers where id = 1"
        wire.ask(parse(text, name="s"), SYNC)
        ask = lambda: [rows(each)[0][0] for each in (wire.ask_text(text), prepared(wire, "s"), prepared(wire, "s", is_described=False))]
        assert [ask() for _ in range(3)] == [["[REDACTED]"] * 3] * 3
        # Told when the masker is in service, unlike the record.
        changes = lambda: masking.log.read_text(errors="replace").count("configuration applied")
        for times, (old, new, hidden) in enumerate([("customers.full_name", "customers.nothing", False),
                                                    ("customers.nothing", "customers.full_name", True)] * 2, 1):
            edit(masking, old, new)
            masking.wait_for("the change", lambda: changes() >= times)
            for _ in range(3):
                assert [name == "[REDACTED]" for name in ask()] == [hidden] * 3
            if not hidden:
                before = calls(masking)
                ask()
                assert calls(masking) - before == 6, "its columns are known as those that nobody wants"


def test_a_column_that_is_renamed_is_masked_by_its_new_name(gateway, upstream):
    """Once the old name is believed no longer, though the statement and what the server says of its columns are the same."""
    weir = gateway(pipeline=("postgres", "pii-mask"), plugins={"pii-mask": {"settings": {"columns": ["known_things.hidden"], "detect": []}}})
    with Wire(upstream) as direct, Wire(weir.endpoint) as wire:
        direct.ask_text("drop table if exists known_things; create table known_things (id int, shown text)")
        direct.ask_text("insert into known_things values (1, 'a value')")
        text = "select b from (select * from known_things) as t(a, b)"
        wire.ask(parse(text, name="s"), SYNC)
        ask = lambda: [rows(each)[0][0] for each in (wire.ask_text(text), prepared(wire, "s"))]
        assert [ask() for _ in range(3)] == [["a value"] * 2] * 3
        before = calls(weir)
        ask()
        assert calls(weir) - before == 4, "its columns are known"
        direct.ask_text("alter table known_things rename column shown to hidden")
        weir.wait_for("the new name", lambda: ask() == ["[REDACTED]"] * 2, seconds=BELIEVED_SECONDS)
        assert [ask() for _ in range(3)] == [["[REDACTED]"] * 2] * 3
        direct.ask_text("drop table known_things")
