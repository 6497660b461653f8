#!/usr/bin/env python3
"""The walls: which crate may know which, and through which door each outside library enters.

ARCHITECTURE.md tells them in words; this fails when the tree says otherwise.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Our crates, and which of ours each may depend on. `weir` puts everything together.
ARROWS = {
    "weir-model": set(),
    "weir-wire": set(),
    "weir-net": {"weir-model"},
    "weir-config": {"weir-model"},
    "weir-identity": {"weir-model", "weir-wire"},
    "weir-access": {"weir-model"},
    "weir-session": {"weir-model"},
    "weir-guests": {"weir-model", "weir-session"},
    "weir-approvals": {"weir-model"},
    "weir-audit": {"weir-model"},
    "weir-store": {"weir-model", "weir-audit"},
    "weir-admin": {"weir-model"},
    "weir-http": {"weir-model", "weir-session", "weir-net"},
    "weir-sql": set(),
    "weir-json": set(),
    "weir-glob": set(),
}
#: Plugins know the SDK and those libraries; only their tests may put two of them together.
PLUGIN = "weir-plugin-"
#: Outside libraries with one door.
DOORS = {
    "wasmtime": {"weir-guests"},
    "wit-component": {"weir-guests"},
    "wasmparser": {"weir-guests"},
    "notify": {"weir-guests"},
    "ring": {"weir-guests"},
    "sqlx": {"weir-store"},
    "rustls": {"weir-net"},
    "rustls-native-certs": {"weir-net"},
    "tokio-rustls": {"weir-net"},
    "x509-parser": {"weir-net"},
    "argon2": {"weir-identity"},
    "toml": {"weir-config"},
    "toml_edit": {"weir-config"},
    "hyper": {"weir-admin", "weir-http"},
    "hyper-util": {"weir-admin", "weir-http"},
    "http-body-util": {"weir-admin", "weir-http"},
    "http": {"weir-http"},
    "async-compression": {"weir-http"},
}
#: Crates that never wait: no runtime, no IO.
NO_RUNTIME = {"weir-model", "weir-wire", "weir-access", "weir-sql"}


#: Where a Permit is defined, and made.
PERMIT_HOME = ROOT / "host/access/src"


def main() -> int:
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"],
                                         cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    wrong = arrows_and_doors(metadata["packages"]) + permits({file: code_of(file.read_text()) for file in sources(metadata["packages"])})
    for line in wrong:
        print(f"walls: {line}", file=sys.stderr)
    print("walls: all stand" if not wrong else f"walls: {len(wrong)} broken")
    return 1 if wrong else 0


def arrows_and_doors(packages: list[dict]) -> list[str]:
    """Of every kind: what only tests or build scripts use makes a circle as well."""
    wrong: list[str] = []
    ours = {package["name"] for package in packages}
    rooms = {package["name"] for package in packages if Path(package["manifest_path"]).is_relative_to(ROOT / "host")} - {"weir"}
    for package in packages:
        name = package["name"]
        for dependency in package["dependencies"]:
            library, kind = dependency["name"], f"{dependency['kind'] or 'normal'} dependency"
            allowed = ARROWS[name] if name in ARROWS else ours if name == "weir" else ours - rooms - {"weir"}
            if library in ours and library not in allowed:
                wrong.append(f"{name} may not know {library} ({kind}): the arrows in tests/walls.py say so")
            if name.startswith(PLUGIN) and library.startswith(PLUGIN) and dependency["kind"] != "dev":
                wrong.append(f"{name} may not know {library} ({kind}): only tests may put two plugins together")
            if library in DOORS and name not in DOORS[library]:
                wrong.append(f"{name} uses {library} ({kind}), whose only door is {', '.join(sorted(DOORS[library]))}")
            if name in NO_RUNTIME and library == "tokio":
                wrong.append(f"{name} must not wait, but has tokio as a {kind}")
    wrong += [f"tests/walls.py names {missing}, which is not in the workspace" for missing in sorted(set(ARROWS) - ours)]
    wrong += [f"{new} has no arrows: add it to tests/walls.py and ARCHITECTURE.md" for new in sorted(rooms - set(ARROWS))]
    return wrong


def sources(packages: list[dict]) -> list[Path]:
    return sorted({file for package in packages for file in Path(package["manifest_path"]).parent.glob("**/*.rs")
                   if "target" not in file.relative_to(ROOT).parts})


def code_of(text: str) -> str:
    """Without comments. Text in quotes may go too: it makes nothing."""
    return re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', '""', text, flags=re.DOTALL)


def permits(code: dict[Path, str]) -> list[str]:
    """Only weir-access makes a Permit, in one place.

    That nobody else can make *its* Permit is the compiler's business, as long as the fields are private and nothing
    gives one away; so that is looked at, and that nobody has another type of that name.
    """
    wrong: list[str] = []
    home = "\n".join(text for file, text in code.items() if file.is_relative_to(PERMIT_HOME))
    kept = re.search(r"((?:#\[[^\]]*\]\s*)*)pub struct Permit\s*\{([^}]*)\}", home)
    if not kept:
        return ["weir-access has no `pub struct Permit { … }`"]
    if (attributes := re.findall(r"#\[([^\]]*)\]", kept[1])) != ["derive(Debug)"]:
        wrong.append(f"weir-access: a Permit is #{attributes}; derives other than Debug can make or copy one")
    if re.search(r"\bpub\b", kept[2]):
        wrong.append("weir-access: a field of Permit is public, so anybody can make or change one")
    for name in re.findall(r"\bimpl\b(?:<[^>]*>)?\s+([\w:<> ]+?)\s+for\s+Permit\b", home):
        wrong.append(f"weir-access: Permit is {name}, which may make or copy one")
    makers = re.findall(r"\bfn (\w+)[^;{]*->([^;{]*)\{", home)
    givers = [name for name, given in makers if re.search(r"\b(Permit|Self)\b", given)]
    if givers != ["authorize"]:
        wrong.append(f"weir-access: {', '.join(givers) or 'nothing'} gives a Permit; only `authorize` may")
    made = len(re.findall(r"(?<!struct )(?<!impl )\bPermit\s*\{", home)) + len(re.findall(r"(?<!->)(?<!-> )\bSelf\s*\{", home))
    if made != 1:
        wrong.append(f"weir-access makes a Permit in {made} places; one is enough")
    for file, text in code.items():
        if file.is_relative_to(PERMIT_HOME):
            continue
        named = [*re.findall(r"\b(?:struct|enum|union|trait)\s+Permit\b", text), *re.findall(r"\bas\s+Permit\b", text)]
        aliases = [to for to in re.findall(r"\btype\s+Permit\b[^=;]*=\s*([^;]*);", text) if to not in ("Permit", "weir_access::Permit")]
        if "Permit" in re.findall(r"\btype\s+Permit\b[^=;]*=\s*(Permit);", text) and not re.search(r"\buse weir_access::[^;]*\bPermit\b", text):
            aliases.append("a Permit that is not weir-access's")
        if named or aliases:
            wrong.append(f"{file.relative_to(ROOT)} has a Permit of its own ({', '.join([*named, *aliases])}): only weir-access may")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
