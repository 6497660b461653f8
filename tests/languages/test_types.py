"""TypeScript's own compiler over the SDK of JavaScript: what `index.d.ts` declares is what plugins use and what the contract says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

SDK = ROOT / "sdk/js"
COMPILER = ROOT / "tests/.cache/node/node_modules/typescript/bin/tsc"
PLUGINS = sorted(file for file in [*SDK.glob("template/*/*"), *SDK.glob("examples/*/*")] if file.name in ("plugin.js", "plugin.ts"))
#: types of parameters are not written in JavaScript; TypeScript says all of them
OPTIONS = {"noEmit": True, "strict": True, "noImplicitAny": False, "allowJs": True, "checkJs": True, "target": "es2023", "module": "esnext",
           "moduleResolution": "bundler", "types": [], "lib": ["es2023"], "skipLibCheck": False}


def complaints(folder: Path, file: Path, **options) -> str:
    paths = {"weir-sdk": [str(SDK / "weir-sdk/index.d.ts")]}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS | {"paths": paths} | options, "files": [str(file)]}))
    done = subprocess.run(["node", COMPILER, "-p", folder], capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stdout == ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file", PLUGINS, ids=lambda file: f"{file.parent.parent.name}-{file.parent.name}")
def test_plugins_are_well_typed(file, tmp_path):
    strict = {"noImplicitAny": True} if file.suffix == ".ts" else {}
    assert complaints(tmp_path, file, **strict) == ""


@pytest.mark.parametrize("right, wrong, said", [
    ("session.who.kind", "session.who.role", "Property 'role' does not exist"),
    ('deny("salaries", "salaries are for the leads")', 'deny("salaries")', "Expected 2 arguments"),
    ("decide(operation: Operation): Decision {", "decide(operation: Operation): string {", "is not assignable"),
    (".finding(\"keys\", each, 80)", ".finding(\"keys\", each, \"80\")", "is not assignable"),
])
def test_a_plugin_that_is_not_is_told_so(right, wrong, said, tmp_path):
    text = (SDK / "examples/house-rules/plugin.ts").read_text()
    assert right in text
    file = tmp_path / "plugin.ts"
    file.write_text(text.replace(right, wrong))
    assert said in complaints(tmp_path, file)


def camel(name: str) -> str:
    return re.sub("-(.)", lambda match: match[1].upper(), name)


def fields(text: str, block: str) -> set[str]:
    (inside,) = re.findall(block + r" \{(.*?)\n? *\}\n", text, re.DOTALL)
    return {camel(name) for name in re.findall(r"(?:^|[;{]|,\n)\s*([a-zA-Z-]+)\??:", re.sub(r"//.*", "", inside))}


@pytest.mark.parametrize("record", ["attribute", "principal", "session-info", "parameter", "operation", "column"])
def test_a_record_of_the_contract_has_its_fields(record):
    contract = (ROOT / "wit/types.wit").read_text()
    declared = (SDK / "weir-sdk/index.d.ts").read_text()
    name = camel(record)[0].upper() + camel(record)[1:]
    wanted = fields(contract, f"record {record}")
    assert wanted and fields(declared, f"export interface {name}") == wanted
