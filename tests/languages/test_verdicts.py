"""The same policy and the same masker in every language answer the same, case by case; and clients see it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from conftest import BUILT, ROOT
from weir import COMPILED, Weir

PROGRAM = ROOT / "target/release/examples/languages"
CASES = ROOT / "tests/languages/cases.jsonl"
EXAMPLES = ("house-rules", "hide-salaries")


def test_every_case_has_one_answer_in_every_language(language):
    names = [f"{language}-{example}" for example in EXAMPLES]
    done = subprocess.run([PROGRAM, BUILT, "judge", *names], stdin=CASES.open(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answered = {each["case"]: each["answer"] for each in map(json.loads, done.stdout.splitlines())}
    assert answered == {each["case"]: each["answer"] for each in map(json.loads, CASES.read_text().splitlines())}


def psql(weir: Weir, user: str, command: str) -> tuple[str, str]:
    done = subprocess.run(["psql", "-X", "-At", "-c", command], env=weir.endpoint_of(user).environment(), capture_output=True, text=True)
    return done.stdout.strip(), done.stderr.strip()


@pytest.fixture
def gateway(language, upstream):
    """A gateway with the two examples of the language in its pipeline."""
    files = {example: BUILT / f"{language}-{example}.wasm" for example in EXAMPLES}
    # Interpreters take long to compile, longer on a busy machine; the cases above have done it.
    COMPILED.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in (BUILT / "compiled").glob("*.cwasm"):
        shutil.copy(file, COMPILED)
    with Weir(upstream, pipeline=("postgres", *EXAMPLES), files=files) as weir:
        yield weir


def test_psql_is_refused_and_masked(gateway, language):
    said, error = psql(gateway, "ann", "select * from salaries")
    assert (said, error) == ("", "ERROR:  salaries are for the leads\nHINT:  weir: salaries")
    assert psql(gateway, "ann", "select count(*) from api_keys")[1] == ""
    said, error = psql(gateway, "ann", "select id, email as harmless, salary from employees order by id limit 2")
    assert error == "" and [line.split("|")[2] for line in said.splitlines()] == ["", ""]
    assert all(line.split("|")[1].startswith("***@") for line in said.splitlines()), said
    refused = gateway.trail(kind="refused")
    assert [each["body"]["detail"]["refusal_code"] for each in refused] == ["salaries"]
    (noticed,) = [each for each in gateway.trail(kind="intent") if "api_keys" in json.dumps(each)]
    assert "letters" in json.dumps(noticed)
