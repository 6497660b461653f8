"""What Python's build says of a plugin that is wrong."""

from __future__ import annotations

import os
import subprocess

import pytest
from conftest import ROOT
from weir import BINARY

ENVIRONMENT = {"WEIR_SDK_CACHE": str(ROOT / "tests/.cache/sdk")} | os.environ


@pytest.mark.parametrize("wrong, told", [
    ("    def decide(self, operation)\n        return None\n", "plugin.py:5: SyntaxError: expected ':'"),
    ("    rules = nowhere\n", "plugin.py:5: NameError: name 'nowhere' is not defined"),
])
def test_a_mistake_is_one_line_with_its_place_and_nothing_of_the_builder(wrong, told, tmp_path):
    folder = tmp_path / "my-policy"
    subprocess.run([BINARY, "plugin", "new", "python", "policy", "my-policy", "--folder", folder, "--sdk", ROOT],
                   check=True, capture_output=True)
    (folder / "plugin.py").write_text(f'from weir_sdk import Policy\n\nclass Plugin(Policy):\n    name = "p"\n{wrong}')
    done = subprocess.run([BINARY, "plugin", "build", folder], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert f"{folder}/{told}\n" in done.stderr
    assert "Traceback" not in done.stderr and "backtrace" not in done.stderr
    assert len(done.stderr.splitlines()) == 3, done.stderr
