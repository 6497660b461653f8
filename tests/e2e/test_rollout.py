"""Plugins that are tried: a shadow never changes what happens, a canary is set aside by itself when it misbehaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import httpx2
import leaks
import pytest
import template
from conftest import MASK, PLUGINS
from http_upstream import PERSONAL, HttpUpstream
from weir import Weir, http
from wire import Wire, errors, query, rows

ALLOW, CLOSED, MOODY = PLUGINS / "allow.wasm", PLUGINS / "closed.wasm", PLUGINS / "moody.wasm"
MASKER = PLUGINS / "pii-mask.wasm"


def tried(upstream, mode: str, next_file: Path, rules: Path = ALLOW, **more) -> Weir:
    return Weir(upstream, pipeline=("postgres", "rules"), files={"rules": rules, "next": next_file},
                plugins={"next": {"mode": mode, "of": "rules"} | more})


def judges(record: dict) -> dict[str, str]:
    return {each["plugin"]: each["answer"] for each in record["body"]["detail"]["judged_by"]}


def set_aside(weir: Weir) -> list[dict]:
    return weir.trail(kind="plugin-set-aside")


def metric(weir: Weir, name: str) -> float:
    return weir.metric(f'{name}{{plugin="next"')


# Shadow -------------------------------------------------------------------------------------------------------

def test_a_shadow_is_recorded_where_it_differs_and_decides_nothing(upstream):
    with tried(upstream, "shadow", CLOSED) as weir, Wire(weir.endpoint) as wire:
        assert rows(wire.ask_text("select 4711")) == [("4711",)]
        (intent,) = [each for each in weir.trail(kind="intent") if "4711" in each["payload"]["text"]]
        assert judges(intent)["rules"] == "allow" and judges(intent)["next"] == "shadow-deny"
        assert intent["body"]["verdict"] == "allow"
        by = {each["plugin"]: each["digest"] for each in intent["body"]["detail"]["judged_by"]}
        assert by["next"] == hashlib.sha256(CLOSED.read_bytes()).hexdigest()
        assert {"name": "shadow-deny", "value": "next: closed: the house is closed"} in intent["payload"]["tags"]
        assert metric(weir, "weir_plugin_shadow_differences_total") >= 1
        assert set_aside(weir) == [] and weir.trail(kind="refused") == []


def test_a_shadow_that_agrees_leaves_no_trace(upstream):
    with tried(upstream, "shadow", ALLOW) as weir, Wire(weir.endpoint) as wire:
        wire.ask_text("select 1")
        assert all("next" not in judges(each) for each in weir.trail(kind="intent"))
        assert metric(weir, "weir_plugin_calls_total") > 0


@pytest.mark.parametrize("mood", ["trap", "loop", "eat", "overflow", "much", "rewrite", "hold"])
def test_whatever_a_shadow_does_the_operation_goes_on(upstream, mood):
    with tried(upstream, "shadow", MOODY) as weir, Wire(weir.endpoint) as wire:
        for _ in range(5):
            assert rows(wire.ask_text(f"select 'as asked' /* moody: {mood} */")) == [("as asked",)]
        assert weir.trail(kind="refused") == [] and weir.trail(kind="held") == []
        # One that fails again and again is asked no more; one that would decide otherwise is.
        assert len(set_aside(weir)) == (0 if mood in ("rewrite", "hold") else 1)


# Canary -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mood, code", [("trap", "plugin-trap"), ("late", "plugin-timeout"), ("eat", "plugin-memory"), ("text", "plugin-")])
def test_a_canary_that_fails_is_set_aside_at_once(upstream, mood, code):
    """What it failed on is refused; the next operation, and every other session, has the old one."""
    with tried(upstream, "canary", MOODY, share=100) as weir, Wire(weir.endpoint) as wire, Wire(weir.endpoint) as other:
        assert rows(wire.ask_text("select 1")) == rows(other.ask_text("select 1")) == [("1",)]
        assert errors(wire.ask_text(f"select 2 /* moody: {mood} */")) != []
        for client in (wire, other):
            assert rows(client.ask_text("select 3")) == [("3",)]
        with Wire(weir.endpoint) as late:
            assert rows(late.ask_text("select 3")) == [("3",)]
        by = [set(judges(each)) & {"rules", "next"} for each in weir.trail(kind="intent") if each["payload"]["text"] in ("select 1", "select 3")]
        assert by == [{"next"}] * 2 + [{"rules"}] * 3
        (record,) = weir.wait_for("the record", lambda: set_aside(weir))
        detail = record["body"]["detail"]
        assert detail["plugin"] == "next" and detail["reason"].startswith("tried with rules: ") and code in detail["reason"]
        assert len(weir.trail(kind="refused")) == 1


def until_set_aside(weir: Weir, sql: str) -> list[tuple[bool, list]]:
    """Many sessions, each asking the same again and again: whether the canary judged it, and the errors it got."""
    said = []
    wires = [Wire(weir.endpoint) for _ in range(12)]
    try:
        for _ in range(60):
            if set_aside(weir):
                break
            said += [errors(wire.ask_text(sql)) for wire in wires for _ in range(5)]
        weir.wait_for("the record", lambda: set_aside(weir))
        behind = [errors(wire.ask_text("select 'behind'")) for wire in wires]
        assert behind == [[]] * len(wires)
    finally:
        for wire in wires:
            wire.close()
    return said


def test_a_canary_that_denies_more_is_set_aside(upstream):
    with tried(upstream, "canary", CLOSED, share=50) as weir:
        failed = [each for each in until_set_aside(weir, "select 1") if each]
        refused = weir.trail(kind="refused")
        assert refused and all(judges(each).get("next") == "deny" for each in refused), "no other session has had an error"
        assert len(failed) <= len(refused)
        (record,) = set_aside(weir)
        assert "refuses or holds 100 %" in record["body"]["detail"]["reason"]
        behind = [each for each in weir.trail(kind="intent") if "behind" in each["payload"]["text"]]
        assert len(behind) == 12 and all("rules" in judges(each) for each in behind)


def test_a_canary_that_is_much_slower_is_set_aside(upstream):
    with tried(upstream, "canary", MOODY, share=50) as weir:
        said = until_set_aside(weir, "select 1 /* moody: slow */")
        assert said and all(each == [] for each in said)
        (record,) = set_aside(weir)
        assert "µs on average" in record["body"]["detail"]["reason"]


def test_pgbench_does_not_notice_a_canary_that_is_set_aside(server):
    endpoint = server.create_database("rollout_bench")
    made = subprocess.run([template.program("pgbench"), "-i", "-q", "-s", "1"], env=endpoint.environment(), capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with tried(endpoint, "canary", MOODY, share=50) as weir:
        bench = subprocess.Popen([template.program("pgbench"), "-n", "-c", "4", "-T", "6"], env=weir.endpoint.environment(),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        weir.wait_for("some load", lambda: len(weir.trail(kind="intent")) > 200)
        for _ in range(40):
            # Every other session has the canary.
            with Wire(weir.endpoint) as wire:
                wire.ask_text("select 1 /* moody: trap */")
            if set_aside(weir):
                break
        said, complaints = bench.communicate(timeout=60)
        assert bench.returncode == 0, complaints
        assert "number of failed transactions: 0" in said
        assert len(set_aside(weir)) == 1 and len(weir.trail(kind="refused")) == 1


def test_a_new_file_is_a_new_try(upstream):
    with tried(upstream, "canary", MOODY, share=100) as weir, Wire(weir.endpoint) as wire:
        wire.ask_text("select 2 /* moody: trap */")
        weir.wait_for("the record", lambda: set_aside(weir))
        (listed,) = [each for each in json.loads(weir.command("plugins", "--json").stdout) if each["name"] == "next"]
        assert listed["state"] == "set-aside" and "plugin-trap" in listed["problem"]
        beside = weir.folder / "next.new"
        beside.write_bytes(ALLOW.read_bytes())
        beside.rename(weir.plugins_folder / "next.wasm")
        weir.wait_for("the new one", lambda: "next" in judges((wire.ask_text("select 5"), weir.trail(kind="intent")[-1])[1]))


def test_a_canary_that_was_set_aside_is_not_tried_again_after_a_restart(upstream):
    """Only what is something else is a new try: another file, or other settings."""
    with tried(upstream, "canary", MOODY, share=100) as weir:
        with Wire(weir.endpoint) as wire:
            wire.ask_text("select 2 /* moody: trap */")
        weir.wait_for("the record", lambda: set_aside(weir))
        weir.wait_for("what is kept", lambda: b"plugin-trap" in b"".join(each.read_bytes() for each in weir.state_folder.glob("plugins.db*")))
        weir.kill()
        weir.start()
        with Wire(weir.endpoint) as wire:
            assert rows(wire.ask_text("select 'behind'")) == [("behind",)]
        assert "rules" in judges(weir.trail(kind="intent")[-1])
        listed = {each["name"]: each for each in json.loads(weir.command("plugin", "status", "--json").stdout)}
        assert listed["next"]["state"] == "set-aside" and "plugin-trap" in listed["next"]["problem"]
        first, second = [each["body"]["detail"]["reason"] for each in weir.wait_for("both", lambda: len(set_aside(weir)) == 2 and set_aside(weir))]
        assert "not again" in second and first.partition(": ")[2] == second.partition(": ")[2]
        (weir.folder / "next.new").write_bytes(ALLOW.read_bytes())
        (weir.folder / "next.new").rename(weir.plugins_folder / "next.wasm")
        with Wire(weir.endpoint) as wire:
            weir.wait_for("the new one", lambda: "next" in judges((wire.ask_text("select 5"), weir.trail(kind="intent")[-1])[1]))


def test_a_masker_as_canary(upstream):
    """It masks for its sessions until it fails; then the old one does."""
    with Weir(upstream, pipeline=("postgres", "pii-mask"), default="allow", files={"next": PLUGINS / "moody-mask.wasm"},
              plugins={"pii-mask": {"settings": MASK}, "next": {"mode": "canary", "of": "pii-mask", "share": 100}}) as weir:
        with Wire(weir.endpoint) as wire:
            assert rows(wire.ask_text("select 'ann@leak.example'")) == [("ann@leak.example",)]
            wire.send(query("select 'moody: trap'"))
            assert errors(wire.until_closed()) != []
        weir.wait_for("the record", lambda: set_aside(weir))
        with Wire(weir.endpoint) as wire:
            assert rows(wire.ask_text("select 'ann@leak.example'")) == [("[EMAIL]",)]


# Maskers as shadows -----------------------------------------------------------------------------------------------

def masked(upstream, shadow: dict | None, next_file: Path = MASKER, detect: tuple = ("email", "phone"), columns: tuple = ("customers.full_name",)) -> Weir:
    plugins = {"pii-mask": {"settings": {"detect": list(detect), "columns": list(columns)}}}
    if shadow is not None:
        plugins["next"] = {"mode": "shadow", "of": "pii-mask"} | shadow
    return Weir(upstream, pipeline=("postgres", "pii-mask"), default="allow", plugins=plugins,
                files={} if shadow is None else {"next": next_file})


def outcome_of(weir: Weir, sql: str) -> dict:
    """Waits: an outcome is written soon, not before its answer."""
    def found():
        places = [(each["body"]["session"], each["body"]["operation"]) for each in weir.trail(kind="intent") if each["payload"].get("text") == sql]
        return next((each for each in weir.trail(kind="outcome") if (each["body"]["session"], each["body"]["operation"]) in places), None)

    return weir.wait_for("the outcome", found)


def told(record: dict) -> list[tuple]:
    return sorted((each["answer"], each["what"], each["cells"]) for each in record.get("payload", {}).get("beside", []) if each["plugin"] == "next")


ROWS = "select id, full_name, email, phone from customers order by id limit 5"


def test_a_shadow_masker_is_told_where_it_differs_and_masks_nothing(upstream):
    with masked(upstream, None) as weir, Wire(weir.endpoint) as wire:
        plain = wire.ask_text(ROWS)
    settings = {"settings": {"detect": ["email"], "columns": ["customers.full_name"], "methods": {"email": "partial"}}}
    with masked(upstream, settings) as weir, Wire(weir.endpoint) as wire:
        assert wire.ask_text(ROWS) == plain
        record = outcome_of(weir, ROWS)
        assert [(answer, what.partition(":")[0], cells) for answer, what, cells in told(record)] == [
            ("shadow-leaves", "public.customers.phone", 5), ("shadow-otherwise", "public.customers.email", 5)]
        assert {each["digest"] for each in record["payload"]["beside"]} == {hashlib.sha256(MASKER.read_bytes()).hexdigest()}
        detail = record["body"]["detail"]
        assert {each["plugin"] for each in detail["masked_by"]} == {"pii-mask"} and sum(each["cells"] for each in detail["masked"]) == 15
        assert metric(weir, "weir_plugin_shadow_differences_total") >= 1
        assert weir.metric("weir_cells_masked_total") == 15
        assert str(record["body"]["operation"]) in weir.command("audit", "search", "--text", "public.customers.phone", "--kind", "outcome").stdout
        assert leaks.found_in(weir.command("audit", "export").stdout.encode()) == []
        assert set_aside(weir) == []


def test_a_shadow_masker_turns_nothing_on(upstream):
    """Columns that only it would look at are not pointed out for it: rows pass as if nobody masked."""
    sql = "select id, email from customers order by id limit 2"
    with masked(upstream, {"settings": {"detect": ["email"]}}, detect=(), columns=("customers.ssn",)) as weir, Wire(weir.endpoint) as wire:
        assert all("@" in email for _, email in rows(wire.ask_text(sql)))
        record = outcome_of(weir, sql)
        assert "masked_by" not in record["body"]["detail"] and "masked" not in record["body"]["detail"]
        assert {answer for answer, _, _ in told(record)} == {"shadow-unseen"}
        assert "public.customers.email" in {what for _, what, _ in told(record)}


@pytest.mark.parametrize("mood", ["trap", "loop", "eat", "fault", "range", "cell", "rule"])
def test_whatever_a_shadow_masker_does_the_answer_is_the_same(upstream, mood):
    sql = f"select 'ann@leak.example', 'moody: {mood}'"
    with masked(upstream, {}, next_file=PLUGINS / "moody-mask.wasm") as weir, Wire(weir.endpoint) as wire:
        for _ in range(5):
            assert rows(wire.ask_text(sql)) == [("[EMAIL]", f"moody: {mood}")]
        assert weir.trail(kind="refused") == [] and len(set_aside(weir)) == 1
        assert ("shadow-failed", 0) in {(answer, cells) for answer, _, cells in told(outcome_of(weir, weir.trail(kind="intent")[0]["payload"]["text"]))}


def test_a_shadow_masker_that_fails_before_any_row_changes_nothing(upstream):
    with masked(upstream, {}, next_file=PLUGINS / "moody-mask.wasm") as weir, Wire(weir.endpoint) as wire:
        assert rows(wire.ask_text("select 'ann@leak.example' -- plan: trap")) == [("[EMAIL]",)]
        assert rows(wire.ask_text("select 'bob@leak.example'")) == [("[EMAIL]",)]
        assert weir.trail(kind="refused") == []


def test_a_shadow_masker_beside_an_api():
    with HttpUpstream() as server:
        plugins = {"pii-mask": {"settings": {"detect": ["email"]}}, "next": {"mode": "shadow", "of": "pii-mask", "settings": {"detect": ["email", "phone"]}}}
        with Weir(resources=[http("shop", server.url, pipeline=["http-api", "pii-mask"])], plugins=plugins, files={"next": MASKER}) as weir:
            shown = httpx2.get(weir.url("shop", "/customers/9001"), headers={"authorization": weir.basic("ann")}).text
            assert PERSONAL["phone"] in shown and PERSONAL["email"] not in shown
            record = weir.wait_for("the outcome", lambda: next((each for each in weir.trail(kind="outcome") if told(each)), None))
            assert {answer for answer, _, _ in told(record)} == {"shadow-masks"}
            assert PERSONAL["phone"] not in json.dumps(record)


# The configuration ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("next_file, mode, what", [
    (PLUGINS / "pii-mask.wasm", "canary", "next is a masker, but rules is a policy"),
    (PLUGINS / "postgres.wasm", "shadow", "next is a stream-inspector, but rules is a policy"),
])
def test_a_plugin_is_tried_with_one_of_its_kind(upstream, next_file, mode, what):
    weir = tried(upstream, mode, next_file)
    weir.prepare()
    checked = weir.command("check", check=False)
    weir.stop()
    assert checked.returncode == 64 and what in checked.stdout + checked.stderr
