"""A masker that says what values must show is not called for those that show nothing, and what it hides stays hidden."""

from __future__ import annotations

import pytest
from weir import Weir
from wire import Wire, rows

SECRET = "canary.signs@leak.example"


def counted(weir: Weir) -> tuple[float, float]:
    """Calls of the masker so far, and batches it was not called for."""
    return tuple(weir.metric(f'weir_plugin_{name}_total{{plugin="pii-mask"') for name in ("calls", "batches_without_signs"))


@pytest.fixture
def masked(upstream):
    with Weir(upstream, pipeline=("postgres", "pii-mask")) as weir:
        yield weir


def test_a_batch_without_signs_makes_no_call_and_one_with_a_sign_is_masked(masked):
    with Wire(masked.endpoint) as wire:
        ask = lambda id: rows(wire.ask_text(f"select name from products where id = {id}"))
        wire.ask_text("create temporary table products (id int, name text)")
        wire.ask_text(f"insert into products values (1, 'plain soap'), (2, 'of {SECRET}'), (3, 'plain tea')")
        assert ask(1) == [("plain soap",)]
        calls, unsigned = counted(masked)
        for _ in range(5):
            assert ask(1) == [("plain soap",)]
        after, skipped = counted(masked)
        assert (after - calls, skipped - unsigned >= 10) == (0, True), "neither for statements nor for rows"
        (masked_row,) = ask(2)
        assert SECRET not in masked_row[0] and "[EMAIL]" in masked_row[0]
        assert counted(masked)[0] > after
    assert SECRET not in str(masked.trail())


def test_signs_in_statements_are_seen_after_any_number_without(masked):
    with Wire(masked.endpoint) as wire:
        for number in range(20):
            assert rows(wire.ask_text(f"select {number}")) == [(str(number),)]
        assert rows(wire.ask_text(f"select '{SECRET}'")) == [("[EMAIL]",)]
        assert rows(wire.ask_text("select 4111111111111111")) != [("4111111111111111",)]
    told = str(masked.trail())
    assert SECRET not in told and "4111111111111111" not in told
