"""`weir plugin`: a plugin file is looked at, tested, replayed, pinned and signed before it serves."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tomllib

import pytest
from conftest import PLUGINS
from test_reload import another_build, digest, put
from weir import BINARY, ROOT, Weir

HOUSE = PLUGINS / "house-rules.wasm"
#: recorded operations, and how long judging them may take
OPERATIONS, REPLAY_SECONDS = 100_000, 60


def plugin(*arguments, check: int | None = 0, **more) -> subprocess.CompletedProcess:
    """Runs `weir plugin …` without any configuration."""
    done = subprocess.run([BINARY, "plugin", *arguments], capture_output=True, text=True, cwd=more.pop("cwd", "/"), **more)
    assert check is None or done.returncode == check, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done


def answer(*arguments, **more) -> dict:
    return json.loads(plugin(*arguments, "--json", **more).stdout)


# Looking

def test_inspect_tells_what_a_file_is():
    seen = answer("inspect", PLUGINS / "sql-guard.wasm")
    assert seen["sha256"] == digest(PLUGINS / "sql-guard.wasm")
    assert (seen["world"], seen["contract"], seen["form"]) == ("policy", "0.1.0", "core-module")
    assert seen["capabilities"] == [] and seen["problem"] is None
    assert "weir:plugin/decide@0.1.0" in seen["exports"]
    assert "functions" in seen["settings_schema"]["properties"]
    assert "policy" in plugin("inspect", PLUGINS / "sql-guard.wasm").stdout
    clocked = answer("inspect", ROOT / "target/test-guests/clocked.wasm")
    assert clocked["capabilities"] == ["clock"]


@pytest.mark.parametrize("command", [("inspect",), ("test",), ("bench",), ("replay", "--plugin")])
def test_a_file_that_is_not_there_is_told_with_what_to_do(gateway, command, tmp_path):
    weir = gateway(start=False)
    weir.prepare()
    (tmp_path / "my-rules.wasm").write_bytes(b"")
    said = weir.command("plugin", *command, tmp_path / "my-rule.wasm", check=False)
    assert said.returncode == 1
    assert f"{tmp_path}/my-rule.wasm: there is no such file" in said.stderr
    assert f"help: did you mean {tmp_path}/my-rules.wasm?" in said.stderr


@pytest.mark.parametrize("name", ["sql-guard", "change-guard", "pii-mask", "http-api"])
def test_the_printed_settings_are_toml_with_every_key(gateway, name):
    """The block can be pasted as it is, and what is taken out of its comments is TOML, too."""
    block = plugin("inspect", PLUGINS / f"{name}.wasm", "--settings").stdout
    keys = answer("inspect", PLUGINS / f"{name}.wasm")["settings_schema"]["properties"]
    uncommented = re.sub(r"(?m)^#(?=[\w\"-]+ = )", "", block)
    assert set(tomllib.loads(uncommented)["plugin"][name]["settings"]) == set(keys)
    descriptions = [key["description"].split("\n")[0] for key in keys.values() if "description" in key]
    assert descriptions and all(f"# {text}" in block for text in descriptions)
    inspector = "http-api" if name == "http-api" else "postgres"
    weir = gateway(start=False, pipeline=("postgres", name) if inspector == "postgres" else ("postgres",))
    weir.prepare()
    with weir.config.open("a") as config:
        config.write("\n" + block)
    weir.command("check")


@pytest.mark.parametrize("contents, said", [
    (b"", "it is empty"),
    (b"#!/bin/sh\n", "does not begin like one"),
    (b"\0asm\x01\0\0\0", "a plain module"),
    (b"\0asm\x0d\0\x01\0", "exports nothing of weir:plugin"),
])
def test_what_is_no_plugin_is_told_in_words(tmp_path, contents, said):
    file = tmp_path / "x.wasm"
    file.write_bytes(contents)
    done = plugin("inspect", file, check=1)
    assert said in done.stderr and str(file) in done.stderr


# Testing

@pytest.mark.parametrize("name, cases", [
    ("sql-guard", "plugins/sql-guard/tests/cases"),
    ("change-guard", "plugins/change-guard/tests/cases"),
    ("pii-mask", "plugins/pii-mask/tests/cases"),
    ("postgres", "plugins/postgres/tests/cases"),
    ("http-api", "plugins/http-api/tests/cases"),
    ("mcp", "plugins/mcp/tests/cases"),
    ("house-rules", "examples/house-rules/tests/cases"),
])
def test_the_cases_of_our_own_plugins_pass(name, cases):
    told = answer("test", PLUGINS / f"{name}.wasm", "--cases", ROOT / cases)
    assert told["failed"] == 0 and told["passed"] > 0


def test_a_case_that_fails_shows_both_sides_and_ends_with_1(tmp_path):
    cases = tmp_path / "rules.json"
    operation = {"kind": "sql.query", "text": "select salary from employees"}
    cases.write_text(json.dumps({"cases": [
        {"name": "right", "operation": operation, "expect": {"verdict": "deny", "reason": "*leads"}},
        {"name": "wrong", "operation": operation, "expect": {"verdict": "allow", "tags": {"a": "b"}}},
        {"name": "no settings fit", "settings": {"x": 1}, "operation": operation, "expect": {"verdict": "deny"}}]}))
    done = plugin("test", HOUSE, "--cases", cases, check=1)
    assert "1 passed, 2 failed" in done.stdout
    assert f"FAILED  {cases}: wrong" in done.stdout
    assert '- expected  "allow"' in done.stdout and '+ got       "deny"' in done.stdout
    assert "it takes no settings" in done.stdout
    assert "no cases" in plugin("test", HOUSE, cwd=tmp_path, check=1).stderr


def test_bytes_of_a_conversation_are_cut_by_the_seed(tmp_path):
    """An inspector that is told something else fails with the same seed in the same way."""
    cases = json.loads((ROOT / "plugins/postgres/tests/cases/queries.json").read_text())
    cases["cases"][0]["expect"]["operations"][1]["action"] = "read"
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(cases))
    told = json.loads(plugin("test", PLUGINS / "postgres.wasm", "--cases", file, "--seed", "7", "--json", check=1).stdout)
    assert told["seed"] == 7
    [difference] = told["cases"][0]["differences"]
    assert "action" in difference["what"] and (difference["expected"], difference["got"]) == ("read", "write")


@pytest.mark.parametrize("kind", ["inspector", "http-inspector"])
def test_a_template_of_an_inspector_passes_its_cases_and_fails_others(kind, tmp_path):
    folder = tmp_path / "my-inspector"
    plugin("new", "rust", kind, "my-inspector", "--folder", folder, "--sdk", ROOT)
    # The folder of all other plugins: the SDK is compiled already.
    plugin("build", folder, env=os.environ | {"WEIR_WASM_TARGET_DIR": str(ROOT / "target/wasm")})
    told = answer("test", folder)
    assert told["failed"] == 0 and told["passed"] >= 3
    assert answer("inspect", folder / "my-inspector.wasm")["world"] == {"inspector": "stream-inspector"}.get(kind, kind)
    (file,) = (folder / "tests/cases").glob("*.json")
    cases = json.loads(file.read_text())
    # What is put back otherwise, refused otherwise or told otherwise is a difference.
    wrong = {"inspector": [("to_client", "value Ann\nno\n"), ("to_server", "get name\n"), ("to_client", "value Ann\nvalue Bob\n")],
             "http-inspector": [("answers", [{"status": 200}]), ("values", [{"text": "bob@example.com"}]), ("operations", [{"refused": None}])]}[kind]
    for case, (key, value) in zip(cases["cases"], wrong):
        case["expect"][key] = value
    file.write_text(json.dumps(cases))
    told = json.loads(plugin("test", folder, "--json", check=1).stdout)
    assert told["failed"] == 3 and all(len(each["differences"]) > 0 for each in told["cases"][:3]), told


# Replaying

def planted(weir: Weir, connect) -> tuple[dict[int, str], dict[str, int]]:
    """A trail of OPERATIONS recorded operations, made of real ones: which the house rules would refuse, and how many of
    each kind cannot be judged."""
    with connect(weir.endpoint) as session:
        session.execute("select 1 as planted").fetchall()
    weir.stop_process()
    trail = sqlite3.connect(weir.state_folder / "audit.db")
    columns = [row[1] for row in trail.execute("PRAGMA table_info(record)")]
    rows = [dict(zip(columns, row)) for row in trail.execute("SELECT * FROM record ORDER BY seq")]
    intent = next(row for row in rows if row["kind"] == "intent" and "planted" in row["payload"])
    opened = next(row for row in rows if row["kind"] == "session-opened" and row["session"] == intent["session"])
    seq, differences, unjudged = rows[-1]["seq"], {}, {"erased": 0, "redacted": 0, "masked": 0, "rewritten": 0}
    new = []

    def add(row: dict, session: str, detail: dict | None = None, payload: dict | None = None,
            erased: bool = False, **changed) -> int:
        nonlocal seq
        seq += 1
        body = json.loads(row["body"])
        body["detail"] |= detail or {}
        row = row | {"seq": seq, "session": session, "body": json.dumps(body)} | changed
        if payload is not None:
            row["payload"] = json.dumps(json.loads(row["payload"]) | payload)
        if erased:
            row["payload"] = None
        new.append([row[column] for column in columns])
        return seq

    for number in range(OPERATIONS):
        session = f"planted-{number // 500}"
        leads = (number // 500) % 10 == 9
        if number % 500 == 0:
            add(opened, session, detail={"groups": ["leads"]} if leads else {})
        payload, more = {"text": f"select name from customers where id = {number}"}, {}
        if number % 2713 == 7:
            payload = {"text": f"select salary from employees where id = {number}"}
            if not leads:
                differences[seq + 1] = payload["text"]
        elif number % 9973 == 11:
            unjudged["erased"] += 1
            payload, more = None, {"erased": True}
        elif number % 9973 == 13:
            unjudged["redacted"] += 1
            payload = {"text": "alter role salary password '[redacted:password]'"}
        elif number % 9973 == 17:
            unjudged["masked"] += 1
            payload = {"text": "select salary from t where mail = '[EMAIL]'"}
            more = {"detail": {"masked": [{"cells": 1, "rule": "email"}]}}
        elif number % 9973 == 19:
            unjudged["rewritten"] += 1
            payload = {"text": "select 1", "original": "select salary"}
        add(intent, session, payload=payload, operation=number + 1, **more)
    with trail:
        trail.executemany(f"INSERT INTO record VALUES ({', '.join('?' * len(columns))})", new)
    trail.close()
    return differences, unjudged


def test_replay_finds_exactly_what_was_planted_in_time(allowing, connect):
    weir = allowing()
    differences, unjudged = planted(weir, connect)
    replay = ("plugin", "replay", "--plugin", str(HOUSE), "--json")
    told = json.loads(weir.command(*replay, timeout=REPLAY_SECONDS).stdout)
    assert {change["seq"]: change["text"] for change in told["changes"]} == differences
    assert all(change["recorded"]["verdict"] == "allow" and change["candidate"]["verdict"] == "deny"
               and change["candidate"]["code"] == "salaries" for change in told["changes"])
    assert told["unjudged_why"] == unjudged
    assert told["judged"] + told["unjudged"] == OPERATIONS + 1
    assert told["replaced"] == 0 and told["faults"] == 0
    table = weir.command("plugin", "replay", "--plugin", str(HOUSE), "--session", "planted-0").stdout
    assert "deny salaries" in table and "1 would be otherwise" in table and "been erased" in table
    # Somebody else did nothing, and nothing was done before.
    assert json.loads(weir.command(*replay, "--user", "lea").stdout)["judged"] == 0
    assert json.loads(weir.command(*replay, "--until", "2h").stdout)["judged"] == 0


def test_a_candidate_takes_the_place_of_its_name(gateway, connect):
    """The rest of the pipeline stays as it was recorded."""
    weir = gateway(pipeline=("postgres", "allow", "house-rules"), default="deny")
    with connect(weir.endpoint) as session:
        session.execute("select 1").fetchall()
        with pytest.raises(Exception, match="for the leads"):
            session.execute("select salary from employees")
    weir.stop_process()
    candidate = ("plugin", "replay", "--plugin", str(PLUGINS / "allow.wasm"), "--name", "house-rules", "--json")
    told = json.loads(weir.command(*candidate).stdout)
    [change] = told["changes"]
    assert (change["recorded"]["verdict"], change["recorded"]["answer"]) == ("deny", "deny")
    assert (change["candidate"]["verdict"], change["text"]) == ("allow", "select salary from employees")
    same = json.loads(weir.command("plugin", "replay", "--plugin", str(HOUSE), "--json").stdout)
    assert same["changes"] == [] and same["judged"] == told["judged"] == same["replaced"]


def test_a_masker_is_replayed_on_what_the_trail_keeps(allowing, connect):
    weir = allowing()
    with connect(weir.endpoint) as session:
        session.execute("select 'ann@example.com' as mail").fetchall()
        session.execute("select 1").fetchall()
    weir.stop_process()
    told = json.loads(weir.command("plugin", "replay", "--plugin", str(PLUGINS / "pii-mask.wasm"), "--json").stdout)
    [change] = told["changes"]
    assert change["hidden"][0]["name"] == "statement" and "ann@" not in change["hidden"][0]["becomes"]
    refused = weir.command("plugin", "replay", "--plugin", str(PLUGINS / "postgres.wasm"), check=False)
    assert refused.returncode == 1 and "the trail keeps operations" in refused.stderr


# Trust

def refusals(weir: Weir) -> list[str]:
    return [record["body"]["detail"]["reason"] for record in weir.trail(kind="plugin-refused")]


def loads(weir: Weir) -> list[str]:
    return [record["body"]["detail"]["digest"] for record in weir.trail(kind="plugin-loaded")]


def test_what_is_not_pinned_does_not_serve(gateway, connect):
    allow = PLUGINS / "allow.wasm"
    weir = gateway(start=False, pipeline=("postgres", "allow"), default="deny")
    weir.prepare()
    weir.command("plugin", "lock")
    lock = weir.folder / "plugins.lock"
    pinned = json.loads(lock.read_text())["plugins"]
    assert {name: entry["sha256"] for name, entry in pinned.items()} == {
        name: digest(PLUGINS / f"{name}.wasm") for name in ("postgres", "allow")}
    weir.start()
    session = connect(weir.endpoint)
    other = another_build(allow, "other")
    put(weir, "allow", other)
    weir.wait_for("the refusal", lambda: any("weir plugin lock --upgrade allow" in reason for reason in refusals(weir)))
    # The running generation stays.
    assert session.execute("select 1").fetchone() == (1,)
    status = {each["name"]: each for each in json.loads(weir.command("plugin", "status", "--json").stdout)}
    assert status["allow"]["digest"] == digest(allow) and status["allow"]["state"] == "kept"
    # Without its name it stays pinned as it was, and the difference is told.
    before = lock.read_bytes()
    told = weir.command("plugin", "lock", check=False)
    assert told.returncode == 1 and f"~ sha256: {digest(allow)[:12]} -> {digest(other)[:12]}\n" in told.stdout
    assert lock.read_bytes() == before
    weir.command("plugin", "lock", "--upgrade", "allow")
    weir.wait_for("the new version", lambda: digest(other) in loads(weir))
    assert session.execute("select 1").fetchone() == (1,)
    weir.stop_process()
    put(weir, "allow", another_build(allow, "a third"))
    refused = weir.command("check", check=False)
    assert refused.returncode == 64 and "weir plugin lock --upgrade allow" in refused.stderr
    lock.write_text("{")
    assert "is damaged" in weir.command("check", check=False).stderr


def test_what_no_trusted_key_has_signed_does_not_serve(gateway, connect):
    weir = gateway(start=False, pipeline=("postgres", "allow"), default="deny")
    weir.prepare()
    files = [str(weir.plugins_folder / f"{name}.wasm") for name in ("postgres", "allow")]
    key = str(weir.folder / "key.pem")
    signed = json.loads(weir.command("plugin", "sign", "--key", key, "--new-key", "--json").stdout)
    weir.sections["server"] = {"plugin_keys": [signed["public_key"]]}
    weir.write_config()
    assert "it is not signed" in weir.command("check", check=False).stderr
    weir.command("plugin", "sign", "--key", key, *files)
    weir.command("check")
    weir.start()
    session = connect(weir.endpoint)
    other = another_build(PLUGINS / "allow.wasm", "other")
    put(weir, "allow", other)
    weir.wait_for("the refusal", lambda: any("signature is of another file" in reason for reason in refusals(weir)))
    assert session.execute("select 1").fetchone() == (1,)
    stranger = str(weir.folder / "stranger.pem")
    weir.command("plugin", "sign", "--key", stranger, "--new-key", files[1])
    weir.wait_for("another refusal", lambda: len(refusals(weir)) >= 2)
    assert digest(other) not in loads(weir)
    weir.command("plugin", "sign", "--key", key, files[1])
    weir.wait_for("the new version", lambda: digest(other) in loads(weir))
    os.chmod(key, 0o644)
    assert "others may read this key" in weir.command("plugin", "sign", "--key", key, check=False).stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_keys_and_signatures_are_those_of_openssl(tmp_path):
    key, file = tmp_path / "key.pem", tmp_path / "x.wasm"
    file.write_bytes(b"anything")
    assert "--new-key makes one" in plugin("sign", "--key", key, file, check=1).stderr
    run = lambda *arguments: subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)
    run("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    os.chmod(key, 0o600)
    plugin("sign", "--key", key, file)
    run("base64", "-d", "-in", "x.wasm.sig", "-out", "raw")
    run("pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem")
    run("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "pub.pem", "-in", "x.wasm", "-sigfile", "raw")


# Making, measuring, looking at what runs

def test_from_nothing_to_a_verdict_in_psql(tmp_path, gateway, connect):
    """Whoever has only the binary and a Rust toolchain makes, builds, tests and uses a policy."""
    folder = tmp_path / "closed-tables"
    plugin("new", "rust", "policy", "closed-tables", cwd=tmp_path)
    assert (folder / "weir-sdk/sdk/rust/Cargo.toml").exists()
    # Third-party crates are built once for all tests.
    environment = os.environ | {"WEIR_WASM_TARGET_DIR": str(ROOT / "target/wasm")}
    plugin("build", folder, env=environment)
    told = answer("test", folder)
    assert told["failed"] == 0 and told["passed"] == 3
    weir = gateway(pipeline=("postgres", "allow", "closed-tables"), default="deny",
                   files={"closed-tables": folder / "closed-tables.wasm"},
                   plugins={"closed-tables": {"settings": {"tables": ["employees"]}}})
    with connect(weir.endpoint) as session:
        assert session.execute("select 1").fetchone() == (1,)
        with pytest.raises(Exception, match="this table is not for you"):
            session.execute("select * from employees")
    again = plugin("new", "rust", "policy", "closed-tables", cwd=tmp_path, check=1)
    assert "is there already" in again.stderr
    assert "there are: " in plugin("new", "cobol", "policy", "x", cwd=tmp_path, check=1).stderr


def test_the_masker_to_begin_with_builds_and_passes_its_cases(tmp_path):
    plugin("new", "rust", "masker", "hide-them", cwd=tmp_path)
    environment = os.environ | {"WEIR_WASM_TARGET_DIR": str(ROOT / "target/wasm")}
    plugin("build", tmp_path / "hide-them", env=environment)
    assert answer("test", tmp_path / "hide-them")["failed"] == 0
    # The folder stands for what was built in it.
    assert answer("inspect", tmp_path / "hide-them")["sha256"] == digest(tmp_path / "hide-them/hide-them.wasm")
    assert answer("bench", tmp_path / "hide-them", "--milliseconds", "10")["with"] == "cases"


@pytest.mark.parametrize("name, cost", [("sql-guard", "mean_us"), ("pii-mask", "ns_per_cell"), ("postgres", "instance_us")])
def test_bench_measures_what_a_plugin_costs(name, cost):
    told = answer("bench", PLUGINS / f"{name}.wasm", "--milliseconds", "100")
    assert told[cost] > 0 and told["memory_bytes"] > 0 and told["load_ms"] > 0
    assert told["calls"] > 0 or name == "postgres"


def test_status_tells_versions_and_who_has_them(allowing, connect):
    weir = allowing()
    session = connect(weir.endpoint)
    session.execute("select 1").fetchall()
    old = digest(PLUGINS / "postgres.wasm")
    other = another_build(PLUGINS / "postgres.wasm", "other")
    put(weir, "postgres", other)
    weir.wait_for("the new version", lambda: digest(other) in loads(weir))
    status = {each["name"]: each for each in json.loads(weir.command("plugin", "status", "--json").stdout)}
    # An inspector keeps its version for the session.
    versions = {version["digest"]: version for version in status["postgres"]["versions"]}
    assert versions[old] | {"generation": 0} == {"digest": old, "generation": 0, "sessions": 1, "serves": False}
    assert versions[digest(other)]["serves"] and versions[digest(other)]["sessions"] == 0
    # Each plugin is shown with the generation that it came with, not with the newest of all.
    assert status["postgres"]["generation"] == versions[digest(other)]["generation"] > status["allow"]["generation"]
    assert status["allow"]["calls"] > 0 and status["allow"]["versions"][0]["sessions"] == 1
    assert "leaving" in weir.command("plugin", "status").stdout
    session.close()
    weir.wait_for("the end of the old one", lambda: len(json.loads(weir.command("plugin", "status", "--json").stdout)[1]["versions"]) == 1)
