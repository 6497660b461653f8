#!/usr/bin/env python3
"""The walls: which crate may know which, and through which door each outside library enters.

ARCHITECTURE.md tells them in words; this fails when the tree says otherwise.
"""

from __future__ import annotations

import json
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
}
#: Outside libraries with one door.
DOORS = {
    "wasmtime": {"weir-guests"},
    "wit-component": {"weir-guests"},
    "notify": {"weir-guests"},
    "sqlx": {"weir-store"},
    "rustls": {"weir-net"},
    "tokio-rustls": {"weir-net"},
    "toml": {"weir-config"},
    "toml_edit": {"weir-config"},
    "hyper": {"weir-admin"},
}
#: Crates that never wait: no runtime, no IO.
NO_RUNTIME = {"weir-model", "weir-wire", "weir-access", "weir-sql"}


def main() -> int:
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"],
                                         cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    wrong: list[str] = []
    ours = {package["name"] for package in metadata["packages"]}
    for package in metadata["packages"]:
        name = package["name"]
        needs = {dependency["name"] for dependency in package["dependencies"] if dependency["kind"] is None}
        if name in ARROWS:
            for target in sorted((needs & ours) - ARROWS[name]):
                wrong.append(f"{name} may not know {target}: the arrows in tests/walls.py say so")
        for library, doors in DOORS.items():
            if library in needs and name not in doors:
                wrong.append(f"{name} uses {library}, whose only door is {', '.join(sorted(doors))}")
        if name in NO_RUNTIME and "tokio" in needs:
            wrong.append(f"{name} must not wait, but depends on tokio")
    for missing in sorted(set(ARROWS) - ours):
        wrong.append(f"tests/walls.py names {missing}, which is not in the workspace")
    makers = [path for path in (ROOT / "host").rglob("*.rs")
              if "Permit {" in path.read_text() and "access/src" not in str(path) and "enum" not in path.read_text()]
    wrong += [f"{path.relative_to(ROOT)} makes a Permit: only weir-access may" for path in makers]
    for line in wrong:
        print(f"walls: {line}", file=sys.stderr)
    print("walls: all stand" if not wrong else f"walls: {len(wrong)} broken")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
