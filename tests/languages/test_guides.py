"""Each language's guide, followed word by word from nothing to a verdict in psql, with nothing but what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from weir import BINARY, Weir

SECTION = "From nothing to a verdict"
#: whose guide has the section; Rust's stands in the README of the repository, and tests/readme follows it
GUIDES = ("c", "js", "python", "go")


def blocks(language: str) -> list[str]:
    text = (ROOT / f"sdk/{language}/README.md").read_text()
    section = re.search(rf"^## {SECTION}\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", GUIDES)
def test_the_guide_leads_to_a_verdict(language, upstream, tmp_path):
    *commands, session = blocks(language)
    assert session.startswith("$ ") and len(commands) >= 3
    with Weir(upstream, pipeline=("postgres",)) as weir:
        shell = Shell(weir, tmp_path)
        for command in commands:
            shell.type(command)
        weir.wait_for("the new pipeline", lambda: "my-policy" in shell.type("weir audit search --kind config-applied --json"), 300)
        command, expected = session.removeprefix("$ ").split("\n", 1)
        assert shell.type(command, check=False) == expected
        (refused,) = weir.trail(kind="refused")
        assert (refused["body"]["principal"], refused["body"]["detail"]["refusal_code"]) == ("ann-agent", "no-keys")
        # Somebody else's question is answered.
        assert shell.type("PGPASSWORD='secret of ann' psql -U ann -At -c 'select count(*) > 0 from api_keys'") == "t\n"


class Shell:
    """Somebody at a shell in a folder of their own, with `weir` in their path."""

    def __init__(self, weir: Weir, folder: Path):
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        (programs / "weir").symlink_to(BINARY)
        variables = weir.endpoint_of("ann-agent").environment() | weir.environment()
        self.environment = variables | {
            "PATH": f"{programs}:{os.environ['PATH']}", "WEIR": str(ROOT), "GATEWAY": str(weir.folder),
            "WEIR_CONFIG": str(weir.config), "PAGER": "",
            "WEIR_SDK_CACHE": os.environ.get("WEIR_SDK_CACHE", str(ROOT / "tests/.cache/sdk"))}

    def type(self, commands: str, check: bool = True) -> str:
        """Both outputs, as a terminal would show them."""
        done = subprocess.run(["bash", "-euc", commands], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or done.returncode == 0, f"{commands}\n{done.stdout}"
        return done.stdout
