"""OpenAI's Codex CLI, unmodified, in a home of its own. All it has is configuration that its manual knows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import processes

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "tests/.cache/node-codex/node_modules/.bin/codex"
SECONDS = 120
TOKEN = "CRM_TOKEN"

CONFIG = """
model = "scripted"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.scripted]
name = "scripted"
base_url = "{model}"
wire_api = "responses"

[mcp_servers.crm]
url = "{crm}"
bearer_token_env_var = "{token}"
startup_timeout_sec = 60
tool_timeout_sec = 90

[shell_environment_policy]
set = {{ {shell} }}
"""

# Codex tells every command which session it is of. This tells it to the database, whichever shell runs the command.
SHELL = """
[ -z "$CODEX_THREAD_ID" ] || export PGAPPNAME="codex/$CODEX_THREAD_ID"
"""


@dataclass
class Ran:
    code: int
    #: what `codex exec --json` tells: threads, turns, items
    events: list[dict]
    complaints: str

    @property
    def thread(self) -> str:
        """The session's own name for itself."""
        (started,) = [event for event in self.events if event["type"] == "thread.started"]
        return started["thread_id"]

    @property
    def items(self) -> list[dict]:
        return [event["item"] for event in self.events if event["type"] == "item.completed"]


class Codex:
    """`crm` is the URL of the tools, `token` opens them, `shell` are variables of its commands besides."""

    def __init__(self, model: str, crm: str, token: str, shell: dict[str, str]):
        self.model, self.crm, self.token, self.shell = model, crm, token, shell

    def __enter__(self) -> Codex:
        if not BINARY.exists():
            raise RuntimeError(f"{BINARY} is missing: run `tests/setup/install codex` first")
        self.home = Path(tempfile.mkdtemp(prefix="weir-agent-"))
        for folder in (".codex", "work"):
            (self.home / folder).mkdir()
        hook = self.home / ".codex/shell"
        hook.write_text(SHELL)
        shell = ", ".join(f"{name} = {json.dumps(value)}" for name, value in (self.shell | {"BASH_ENV": str(hook)}).items())
        config = CONFIG.format(model=self.model, crm=self.crm, token=TOKEN, shell=shell)
        (self.home / ".codex/config.toml").write_text(config)
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, prompt: str) -> Ran:
        # No more of our environment than needed, and no proxy: it talks to loopback only.
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.home), TOKEN: self.token}
        command = [str(BINARY), "exec", "--json", "--strict-config", "--skip-git-repo-check", "-C", str(self.home / "work"), prompt]
        with (self.home / "stdout").open("w") as out, (self.home / "stderr").open("w") as err:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            timer = processes.kill_group_after(process, SECONDS)
            try:
                code = process.wait()
            finally:
                timer.cancel()
                processes.kill_group(process)
        lines = (self.home / "stdout").read_text().splitlines()
        return Ran(code, [json.loads(line) for line in lines], (self.home / "stderr").read_text())

    def kept(self) -> bytes:
        """All that the agent left in its home: what it said, its logs, the session as it keeps it."""
        return b"\n".join(file.read_bytes() for file in sorted(self.home.rglob("*")) if file.is_file() and not file.is_symlink())
