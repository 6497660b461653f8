"""git behind the gateway, unmodified: clone, fetch and push, each ref judged, and refusals in git's own words."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

import processes
import pytest
from git_server import ENVIRONMENT, GitServer, git
from weir import PEOPLE, User, Weir, http

#: Ann pushes, Lea reviews, Max does both; Eve may nothing.
EVERYBODY = (*PEOPLE, User("max", groups=("engineers", "leads")), User("eve", groups=("visitors",)))
GUARD = {"protect": [
    {"kinds": ["git.update-ref"], "objects": ["refs/heads/main"], "answer": "hold", "reason": "main is looked at"},
    {"kinds": ["git.update-ref"], "objects": ["refs/tags/*"], "answer": "deny", "reason": "releases are made by the build"},
    {"kinds": ["git.update-ref"], "objects": ["refs/heads/stable"], "unless": ["git-fast-forward=yes", "git-update=create"],
     "answer": "deny", "reason": "stable only moves forward"},
]}
MIB = 1 << 20
VERSIONS = ["0", "1", "2"]


@pytest.fixture(scope="module")
def server():
    with GitServer() as running:
        yield running


@pytest.fixture(scope="module")
def weir(server):
    resources = [
        http("git", server.url, path_prefix="/git", strip_prefix=True, pipeline=["git", "change-guard"]),
        http("masked", server.url, path_prefix="/masked", strip_prefix=True, pipeline=["git", "pii-mask"]),
        http("small", server.url, path_prefix="/small", strip_prefix=True, pipeline=["git", "change-guard"], limits={"max_operation_bytes": "256KiB"}),
        http("closed", server.url, path_prefix="/closed", strip_prefix=True, pipeline=["git"], default="deny"),
    ]
    plugins = {"change-guard": {"settings": GUARD}, "pii-mask": {"settings": {"detect": ["email"]}}}
    with Weir(resources=resources, plugins=plugins, users=EVERYBODY) as running:
        yield running


@pytest.fixture
def name(server, request):
    """A repository of this test alone, with one commit on main."""
    found = "team/" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    server.create(found, files={"README": "hello\n"})
    server.requests.clear()
    return found


@pytest.fixture
def work(weir, name, tmp_path):
    """Ann's clone, one commit ahead."""
    folder = tmp_path / "work"
    git("clone", "--quiet", url(weir, name), folder)
    commit(folder, "second")
    return folder


def url(weir: Weir, name: str, user: str | None = "ann", resource: str = "git") -> str:
    plain = weir.url(resource, f"/{name}.git")
    if user is None:
        return plain
    secret = quote(next(each.secret for each in EVERYBODY if each.name == user), safe="")
    return plain.replace("://", f"://{user}:{secret}@")


def commit(folder: Path, text: str, size: int = 0) -> str:
    (folder / text).write_bytes(os.urandom(size) or text.encode())
    git("-c", "core.compression=0", "-C", folder, "add", "--all")
    git("-C", folder, "commit", "--quiet", "--message", text)
    return head(folder)


def head(folder: Path, ref: str = "HEAD") -> str:
    return git("-C", folder, "rev-parse", ref).stdout.strip()


def push(folder: Path, *arguments: str, **more) -> subprocess.CompletedProcess:
    return git("-C", folder, "push", *(arguments or ("origin",)), check=False, **more)


def operations(weir: Weir, name: str, kind: str = "intent") -> list[dict]:
    """What was recorded about this repository."""
    return [each for each in weir.trail(kind=kind) if name in json.dumps(each)]


def texts(weir: Weir, name: str, kind: str = "intent") -> list[str]:
    return [each["payload"]["text"] for each in operations(weir, name, kind)]


def outcomes(weir: Weir, intents: list[dict]) -> list[dict]:
    """The outcome of each, when all are there."""
    def all_of_them():
        ended = {(each["body"]["session"], each["body"]["operation"]): each for each in weir.trail(kind="outcome")}
        found = [ended.get((each["body"]["session"], each["body"]["operation"])) for each in intents]
        return found if all(found) else None
    return weir.wait_for("the outcomes", all_of_them)


def forward(weir: Weir, name: str, branch: str, kind: str = "intent") -> list[str | None]:
    """What was known of each push of this branch."""
    pushed = [each["payload"] for each in operations(weir, name, kind) if each["payload"]["text"].endswith(f" refs/heads/{branch}")]
    return [{one["name"]: one["value"] for one in each["attributes"]}.get("git-fast-forward") for each in pushed]


def pushes(server: GitServer) -> list:
    """Pushes that reached the server; probes do not count."""
    return [each for each in server.requests
            if each.method == "POST" and each.path.endswith("/git-receive-pack") and each.size > 4]


class Pushing:
    """A push that waits for a person: what git prints is read as it comes."""

    def __init__(self, weir: Weir, folder: Path, *arguments: str):
        self.weir, self.command = weir, ["git", "-C", str(folder), "push", *arguments]
        self.printed, self.code = "", None

    def __enter__(self) -> Pushing:
        before = {each["id"] for each in self._waiting()}
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
                                        start_new_session=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.request = self.weir.wait_for("the request for approval", lambda: next(
            (each for each in self._waiting() if each["id"] not in before), None))
        return self

    def _waiting(self) -> list[dict]:
        return json.loads(self.weir.as_person("lea", "approvals", "list", "--json").stdout)

    def _read(self) -> None:
        for line in self.process.stderr:
            self.printed += line

    def kill(self) -> None:
        """git and all it started; ended when the last of them is, since one of those has the connection."""
        processes.kill_group(self.process)
        self.weir.wait_for("the end of what git started", lambda: not processes.living(self.process))

    def __exit__(self, *_) -> None:
        try:
            self.code = self.process.wait(60)
        finally:
            self.process.kill()
            self.reader.join(10)


# --- reading


@pytest.mark.parametrize("version", VERSIONS)
def test_clone_and_fetch_bring_what_they_bring_directly(weir, server, name, tmp_path, version):
    protocol = ("-c", f"protocol.version={version}")
    direct, through = tmp_path / "direct", tmp_path / "through"
    git(*protocol, "clone", "--quiet", f"{server.url}/{name}.git", direct)
    git(*protocol, "clone", "--quiet", url(weir, name), through)
    commit(direct, "more")
    git("-C", direct, "push", "--quiet", "origin", "main:other")
    for folder in (direct, through):
        git(*protocol, "-C", folder, "fetch", "--quiet", "--all")
        git("-C", folder, "fsck", "--full")
    refs = [git("-C", folder, "for-each-ref", "--format=%(refname) %(objectname)", "refs/remotes").stdout for folder in (direct, through)]
    assert refs[0] == refs[1] and "other" in refs[0]
    # Version 2 asks what the server can do before it asks for refs.
    clone = [f"list refs of {name}"] * (2 if version == "2" else 1) + [f"fetch {name}"]
    assert texts(weir, name)[:len(clone)] == clone


def test_a_fetch_is_recorded_as_a_read_by_name(weir, name, work):
    (fetch, *_) = [each for each in operations(weir, name) if each["payload"]["text"] == f"fetch {name}"]
    assert (fetch["body"]["principal"], fetch["body"]["resource"], fetch["body"]["detail"]["action"]) == ("ann", "git", "read")
    wanted = [each["value"] for each in fetch["payload"].get("parameters", []) if each["name"].startswith("want")]
    assert head(work, "HEAD~1") in wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_a_shallow_clone_stays_shallow_until_it_is_deepened(weir, server, name, work, tmp_path, version):
    git("-C", work, "push", "--quiet", f"{server.url}/{name}.git", "main")
    shallow = tmp_path / "shallow"
    git("-c", f"protocol.version={version}", "clone", "--quiet", "--depth", "1", url(weir, name), shallow)
    assert git("-C", shallow, "rev-list", "--count", "HEAD").stdout.strip() == "1"
    git("-c", f"protocol.version={version}", "-C", shallow, "fetch", "--quiet", "--unshallow")
    assert git("-C", shallow, "rev-list", "--count", "HEAD").stdout.strip() == "2"
    assert any(each["name"] == "depth" and each["value"] == "1" for fetch in operations(weir, name) for each in fetch["payload"].get("parameters", []))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_compressed_request_is_understood(weir, server, name, tmp_path, version):
    """git compresses what it has when that is much."""
    folder = tmp_path / "many"
    git("init", "--quiet", "--initial-branch", "mine", folder)
    for number in range(60):
        git("-C", folder, "commit", "--quiet", "--allow-empty", "--message", str(number))
    git("-c", f"protocol.version={version}", "-C", folder, "fetch", "--quiet", url(weir, name), "main")
    assert head(folder, "FETCH_HEAD") == server.refs(name)["refs/heads/main"]
    haves = [each for fetch in operations(weir, name) for each in fetch["payload"].get("parameters", []) if each["name"].startswith("have")]
    assert len(haves) > 16


def test_a_refused_read_says_so(weir, server, name, tmp_path):
    for version in VERSIONS:
        done = git("-c", f"protocol.version={version}", "ls-remote", url(weir, name, resource="closed"), check=False)
        assert done.returncode != 0 and "fatal: remote error: weir: " in done.stderr, done.stderr
    assert server.requests == []


# --- pushing


def test_each_ref_of_a_push_is_an_operation(weir, server, name, work):
    old, new = head(work, "HEAD~1"), head(work)
    git("-C", work, "push", "--quiet", "origin", "main:one", "HEAD~1:refs/heads/two")
    done = push(work, "origin", "main:two", ":one")
    assert done.returncode == 0 and "[deleted]" in done.stderr, done.stderr
    assert {ref: at for ref, at in server.refs(name).items() if ref != "refs/heads/main"} == {"refs/heads/two": new}
    intents = [each for each in operations(weir, name) if each["body"]["detail"]["action"] == "write"]
    told = {each["payload"]["text"]: {one["name"]: one["value"] for one in each["payload"].get("parameters", [])} for each in intents}
    zero = "0" * 40
    assert told == {
        "create refs/heads/one": {"old": zero, "new": new}, "create refs/heads/two": {"old": zero, "new": old},
        "update refs/heads/two": {"old": old, "new": new}, "delete refs/heads/one": {"old": new, "new": zero},
    }
    assert {each["body"]["status"] for each in outcomes(weir, intents)} == {"ok"}


def test_what_a_hook_says_and_refuses_is_shown_and_recorded(weir, server, name, work):
    server.hook(name, "update", 'case $1 in */bad) echo "no such names" >&2; exit 1;; esac')
    done = push(work, "origin", "main:good", "main:bad")
    assert done.returncode == 1
    assert "remote: no such names" in done.stderr and "! [remote rejected] main -> bad (hook declined)" in done.stderr
    assert "refs/heads/good" in server.refs(name) and "refs/heads/bad" not in server.refs(name)
    intents = [each for each in operations(weir, name) if each["body"]["detail"]["action"] == "write"]
    status = {intent["payload"]["text"]: outcome["body"]["status"] for intent, outcome in zip(intents, outcomes(weir, intents))}
    assert status == {"create refs/heads/good": "ok", "create refs/heads/bad": "error"}


def test_a_refused_ref_is_told_in_gits_own_words(weir, server, name, work):
    done = push(work, "origin", "main:refs/tags/v1", "main:other")
    assert done.returncode == 1
    assert "remote: weir: releases are made by the build" in done.stderr
    assert "! [remote rejected] main -> v1 (releases are made by the build)" in done.stderr
    assert "! [remote rejected] main -> other (another ref of this push was refused)" in done.stderr
    assert list(server.refs(name)) == ["refs/heads/main"] and pushes(server) == []
    assert "create refs/tags/v1" in [each["payload"]["text"] for each in weir.trail(kind="refused")]
    # And the next push is judged on its own.
    assert push(work, "origin", "main:other").returncode == 0
    assert server.refs(name)["refs/heads/other"] == head(work)


def test_a_refused_push_whose_pack_is_large_is_told_as_well(weir, server, name, work):
    commit(work, "large", 20 * MIB)
    done = push(work, "origin", "main:refs/tags/v2")
    assert done.returncode == 1 and "(releases are made by the build)" in done.stderr, done.stderr
    assert pushes(server) == [] and list(server.refs(name)) == ["refs/heads/main"]


def test_a_large_push_passes_and_memory_stays_flat(weir, server, name, work):
    """500 MB, of which the gateway keeps next to nothing, and knows that they only add to the branch."""
    push(work, "origin", "main:large")
    for number in range(10):
        commit(work, f"part-{number}", 50_000_000)
    status = Path(f"/proc/{weir.process.pid}/status")
    Path(f"/proc/{weir.process.pid}/clear_refs").write_text("5")  # the peak is counted from here

    def peak() -> int:
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) << 10

    before = peak()
    done = git("-c", "core.compression=0", "-c", "pack.window=0", "-C", work, "push", "origin", "main:large", check=False)
    assert done.returncode == 0, done.stderr
    assert server.refs(name)["refs/heads/large"] == head(work)
    assert peak() - before < 64 * MIB
    assert forward(weir, name, "large") == [None, "yes"]
    assert [text for text in texts(weir, name) if text.startswith("probe")] != []


# --- forward only


def test_a_protected_branch_moves_forward_only(weir, server, name, work):
    assert push(work, "origin", "main:stable").returncode == 0
    for text in ("third", "fourth"):
        commit(work, text)
    done = push(work, "origin", "main:stable")
    assert done.returncode == 0, done.stderr
    kept = head(work)
    git("-C", work, "commit", "--quiet", "--amend", "--message", "another fourth")
    # Another commit on the same one, an older one, one of another history, none at all.
    git("-C", work, "switch", "--quiet", "--orphan", "elsewhere")
    commit(work, "elsewhere")
    for what in ("main:stable", "main~1:stable", "elsewhere:stable", ":stable"):
        done = push(work, "--force", "origin", what)
        assert done.returncode == 1 and "(stable only moves forward)" in done.stderr, done.stderr
    assert server.refs(name)["refs/heads/stable"] == kept
    assert forward(weir, name, "stable") == [None, "yes"]
    assert forward(weir, name, "stable", kind="refused") == ["no", "no", "no", None]


def test_a_merge_is_forward_from_either_side(weir, server, name, work):
    git("-C", work, "branch", "side", "HEAD~1")
    assert push(work, "origin", "main:stable", "side:other").returncode == 0
    git("-C", work, "switch", "--quiet", "side")
    commit(work, "aside")
    git("-C", work, "merge", "--quiet", "--no-edit", "main")
    done = push(work, "origin", "side:stable", "side:other")
    assert done.returncode == 0, done.stderr
    assert forward(weir, name, "stable") == forward(weir, name, "other") == [None, "yes"]
    assert {server.refs(name)[f"refs/heads/{branch}"] for branch in ("stable", "other")} == {head(work)}


def test_a_branch_that_was_pushed_before_may_be_pushed_to_another(weir, server, name, work):
    """Then there is nothing in the pack."""
    commit(work, "pushed twice")
    assert push(work, "origin", "main~1:refs/heads/stable").returncode == 0
    assert push(work, "origin", "main:topic").returncode == 0
    done = push(work, "origin", "main:stable")
    assert done.returncode == 0, done.stderr
    assert forward(weir, name, "stable") == [None, "yes"]


def test_what_the_server_has_from_elsewhere_is_not_known_to_be_forward(weir, server, name, work):
    commit(work, "pushed past the gateway")
    assert push(work, "origin", "main~1:refs/heads/stable", "main~1:refs/heads/free").returncode == 0
    git("-C", work, "push", "--quiet", f"{server.url}/{name}.git", "main:topic")
    assert push(work, "origin", "main:stable").returncode == 1
    assert push(work, "origin", "main:free").returncode == 0
    assert forward(weir, name, "stable", kind="refused") == forward(weir, name, "free")[1:] == ["unknown"]
    assert server.refs(name)["refs/heads/stable"] == head(work, "HEAD~1")


def test_a_push_from_a_shallow_clone_is_forward(weir, server, name, work, tmp_path):
    assert push(work, "origin", "main:stable").returncode == 0
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth", "1", "--branch", "stable", url(weir, name), shallow)
    commit(shallow, "on top")
    done = push(shallow, "origin", "stable")
    assert done.returncode == 0, done.stderr
    assert forward(weir, name, "stable") == [None, "yes"]


def test_what_an_earlier_push_cut_off_is_not_known_to_be_forward(weir, server, name, work, tmp_path):
    """A server that takes pushes from shallow clones forgets the parents for good, and with them the branch."""
    git("-C", next(server.root.rglob(f"{name.rpartition('/')[2]}.git")), "config", "receive.shallowUpdate", "true")
    assert push(work, "origin", "main:stable").returncode == 0
    commit(work, "between")
    git("clone", "--quiet", "--depth", "1", f"file://{work}", tmp_path / "shallow")
    assert push(tmp_path / "shallow", url(weir, name), "main:refs/heads/b").returncode == 0
    commit(work, "on top")
    refused = push(work, "origin", "main:stable")
    assert refused.returncode != 0 and "stable only moves forward" in refused.stderr
    assert forward(weir, name, "stable", kind="refused") == ["unknown"]


def test_a_repository_of_the_longer_hash_moves_forward_as_well(weir, server, name, tmp_path):
    longer, folder = f"{name}-longer", tmp_path / "longer"
    git("init", "--quiet", "--bare", "--object-format=sha256", server.path(longer))
    git("-C", server.path(longer), "config", "http.receivepack", "true")
    git("init", "--quiet", "--initial-branch", "main", "--object-format=sha256", folder)
    for text in ("one", "two"):
        commit(folder, text)
        done = push(folder, url(weir, longer), "main:stable")
        assert done.returncode == 0, done.stderr
    git("-C", folder, "commit", "--quiet", "--amend", "--message", "another")
    assert push(folder, "--force", url(weir, longer), "main:stable").returncode == 1
    assert forward(weir, longer, "stable") == [None, "yes"]


def history(folder: Path, commits: int) -> None:
    """Many commits on top of main, each with nothing new in it."""
    lines = [f"commit refs/heads/main\ncommitter A <a@a> {number} +0000\ndata 12\n{number:012}\n" for number in range(commits)]
    lines[0] += f"from {head(folder, 'main')}\n"
    git("-C", folder, "fast-import", "--quiet", "--force", input="\n".join(lines) + "\n")


@pytest.mark.parametrize(("commits", "known"), [(2000, "yes"), (20_000, "unknown")])
def test_a_long_history_is_looked_at_up_to_a_limit(weir, server, name, work, commits, known):
    """What is not looked at passes all the same."""
    assert push(work, "origin", "main:free").returncode == 0
    history(work, commits)
    done = push(work, "origin", "main:free")
    assert done.returncode == 0, done.stderr
    assert forward(weir, name, "free") == [None, known]
    assert server.refs(name)["refs/heads/free"] == head(work, "main")


def test_where_little_is_held_back_little_is_known_and_all_of_it_passes(weir, server, name, work):
    git("-C", work, "remote", "set-url", "origin", url(weir, name, resource="small"))
    assert push(work, "origin", "main:free").returncode == 0
    history(work, 20_000)
    done = push(work, "origin", "main:free")
    assert done.returncode == 0, done.stderr
    assert forward(weir, name, "free") == [None, "unknown"]
    assert server.refs(name)["refs/heads/free"] == head(work, "main")


def test_a_false_old_commit_gets_nowhere(weir, server, name, work):
    """The pack proves what it is asked, and the server compares what the client says with what is there."""
    assert push(work, "origin", "main:stable").returncode == 0
    kept, false = head(work), head(work, "HEAD~1")
    git("-C", work, "reset", "--quiet", "--hard", false)
    new = commit(work, "instead")
    pack = subprocess.run(["git", "-C", work, "pack-objects", "--quiet", "--revs", "--stdout"], input=f"{new}\n^{false}\n".encode(),
                          capture_output=True, check=True, env=ENVIRONMENT).stdout
    body = line(f"{false} {new} refs/heads/stable\0 report-status") + b"0000" + pack
    _, answer = asked(weir, f"/{name}.git/git-receive-pack", body, "application/x-git-receive-pack-request")
    assert b"ng refs/heads/stable" in answer and b"weir" not in answer, answer
    assert forward(weir, name, "stable") == [None, "yes"]
    assert server.refs(name)["refs/heads/stable"] == kept


# --- masked


def test_what_a_hook_says_is_masked(weir, server, name, work):
    """Also when it comes in two pieces; and the push goes on as ever."""
    server.hook(name, "pre-receive", 'echo "ask ann@leak.example first"; printf "or bo@le"; sleep 0.2; echo "ak.example"')
    git("-C", work, "remote", "set-url", "origin", url(weir, name, resource="masked"))
    done = push(work, "origin", "main:told")
    assert done.returncode == 0 and "remote: ask " in done.stderr and "remote: or " in done.stderr, done.stderr
    assert "leak.example" not in done.stderr
    assert server.refs(name)["refs/heads/told"] == head(work)
    assert "leak.example" not in weir.command("audit", "export").stdout


# --- held


def test_a_held_push_waits_and_is_done_when_somebody_else_approves(weir, server, name, work):
    with Pushing(weir, work, "origin", "main") as pushing:
        assert pushing.request["requester"]["id"] == "ann" and pushing.request["text"] == "update refs/heads/main"
        weir.wait_for("git's own notice", lambda: "remote: weir: " in pushing.printed)
        assert pushes(server) == []
        weir.as_person("lea", "approvals", "approve", pushing.request["id"])
    assert pushing.code == 0, pushing.printed
    assert server.refs(name)["refs/heads/main"] == head(work) and len(pushes(server)) == 1


def test_a_held_push_that_is_denied_tells_why(weir, server, name, work):
    with Pushing(weir, work, "origin", "main") as pushing:
        weir.as_person("lea", "approvals", "deny", pushing.request["id"], "--reason", "not on a Friday")
    assert pushing.code == 1
    assert "! [remote rejected] main -> main (" in pushing.printed and "not on a Friday" in pushing.printed
    assert server.refs(name)["refs/heads/main"] == head(work, "HEAD~1") and pushes(server) == []


def test_nobody_approves_their_own_push(weir, server, name, work):
    git("-C", work, "remote", "set-url", "origin", url(weir, name, user="max"))
    with Pushing(weir, work, "origin", "main") as pushing:
        refused = weir.as_person("max", "approvals", "approve", pushing.request["id"], check=False)
        assert refused.returncode != 0 and "own" in refused.stderr
        weir.as_person("lea", "approvals", "deny", pushing.request["id"])
    assert pushing.code == 1 and pushes(server) == []


def test_a_push_whose_client_has_gone_is_never_done(weir, server, name, work):
    with Pushing(weir, work, "origin", "main") as pushing:
        # Git and the helper that holds the connection.
        pushing.kill()
        gone = lambda: pushing.request["id"] not in [each["id"] for each in pushing._waiting()]
        weir.wait_for("the end of the request", gone)
    assert pushes(server) == [] and server.refs(name)["refs/heads/main"] == head(work, "HEAD~1")


@pytest.mark.parametrize("size", [40_000, 70_000, 300_000, 900_000])
def test_a_push_that_was_sent_whole_is_not_done_for_a_client_that_has_gone(weir, server, name, work, size):
    """Nobody has read its pack, and so not its end either: that is seen only behind the approval."""
    commit(work, "large", size)
    before = server.refs(name)
    with Pushing(weir, work, "origin", "main") as pushing:
        pushing.kill()
        (held,) = [each["body"] for each in weir.trail(kind="held") if each["body"]["detail"]["approval"] == pushing.request["id"]]
        operation = {"session": held["session"], "operation": held["operation"]}
        weir.as_person("lea", "approvals", "approve", pushing.request["id"], check=False)

        def is_over() -> bool:
            return any(each["body"]["kind"] in ("refused", "outcome") for each in weir.trail(**operation))

        weir.wait_for("its end", is_over)
    assert server.refs(name) == before


@pytest.mark.parametrize("size", [40_000, 70_000, 300_000, 900_000])
def test_a_push_of_any_size_is_done_when_approved(weir, server, name, work, size):
    commit(work, "large", size)
    with Pushing(weir, work, "origin", "main") as pushing:
        weir.as_person("lea", "approvals", "approve", pushing.request["id"])
    assert pushing.code == 0, pushing.printed
    assert server.refs(name)["refs/heads/main"] == head(work)


# --- refused, whoever asks


def asked(weir: Weir, path: str, data: bytes | None = None, content_type: str | None = None, user: str = "ann") -> tuple[int, bytes]:
    headers = {"Authorization": weir.basic(user)} | ({"Content-Type": content_type} if content_type else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(weir.url("git", path), data, headers), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("end", ["HEAD", "info/refs", "objects/info/packs", "objects/aa/bb"])
def test_the_dumb_protocol_is_refused(weir, server, name, end):
    status, body = asked(weir, f"/{name}.git/{end}")
    assert status == 403 and b"smart HTTP" in body
    assert server.requests == []


def test_a_linked_worktree_is_no_way_round_the_name_of_its_repository(weir, server, name, work, tmp_path):
    git("-C", server.path(name), "worktree", "add", "--quiet", "--detach", tmp_path / "linked", "main")
    server.requests.clear()
    done = git("-C", work, "push", url(weir, name) + "/worktrees/linked", "main:other", check=False)
    assert done.returncode != 0 and server.requests == []
    # It is one, behind the gateway's back.
    git("-C", work, "push", "--quiet", f"{server.url}/{name}.git/worktrees/linked", "main:other")
    assert server.refs(name)["refs/heads/other"] == head(work)


@pytest.mark.parametrize("path", [
    "/team/x.git/../y.git/git-receive-pack", "/team%2fx.git/git-receive-pack", "/team//x.git/git-receive-pack",
    "/team/x.git/git-receive-pack?service=git-upload-pack", "/team/x.git/git-upload-archive", "/team/x.git/info/lfs/objects/batch",
])
def test_paths_that_are_not_gits_are_refused(weir, server, path):
    server.requests.clear()
    status, _ = asked(weir, path, b"0000", "application/x-git-receive-pack-request")
    assert 400 <= status < 500 and server.requests == []


def line(text: str) -> bytes:
    return b"%04x" % (len(text) + 4) + text.encode()


OLD, NEW = "1" * 40, "2" * 40
TAG = line(f"{OLD} {NEW} refs/tags/v9")


@pytest.mark.parametrize("body", [
    line(f"{OLD} {NEW} refs/heads/x") + b"0001" + TAG + b"0000",
    line(f"{OLD} {NEW} refs/heads/x\0 report-status") + line(f"{OLD} {NEW} refs/heads/y\0push-options") + b"0000",
    line(f"{OLD} {NEW} refs/heads/x\0a\0b") + b"0000",
    line(f"{OLD} {NEW} refs/heads/x\n\n") + b"0000",
    line(f"{OLD} {NEW} HEAD") + b"0000",
    line(f"{OLD} {NEW} refs/heads/../tags/v9") + b"0000",
    line(f"{OLD} {NEW} refs/heads/x"),
    b"0000" + TAG + b"0000",
    b"0003", b"PACK", b"zzzz",
    line("push-cert\0report-status\n") + line("certificate version 0.1\n") + b"0000",
], ids=lambda body: repr(body[-24:]))
def test_a_push_that_could_be_read_otherwise_reaches_nobody(weir, server, name, body):
    asked(weir, f"/{name}.git/git-receive-pack", body, "application/x-git-receive-pack-request")
    assert pushes(server) == [] and server.requests == [] and list(server.refs(name)) == ["refs/heads/main"]


def test_a_push_byte_by_byte_is_judged_all_the_same(weir, server, name):
    """In chunks of one byte each: nothing reaches the server before the refused ref is seen."""
    body = line(f"{'0' * 40} {server.refs(name)['refs/heads/main']} refs/heads/free\0report-status") + TAG + b"0000"
    split = urlsplit(weir.url("git", f"/{name}.git/git-receive-pack"))
    with socket.create_connection((split.hostname, split.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(f"POST {split.path} HTTP/1.1\r\nHost: {split.netloc}\r\nAuthorization: {weir.basic('ann')}\r\n"
                       "Content-Type: application/x-git-receive-pack-request\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for byte in body:
            client.sendall(b"1\r\n%c\r\n" % byte)
        client.sendall(b"0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert b"ng refs/tags/v9 releases are made by the build" in answer
    assert server.requests == [] and list(server.refs(name)) == ["refs/heads/main"]


# --- who it is


@pytest.mark.parametrize("user", [None, "ann:wrong", "nobody:wrong"])
def test_without_the_right_credentials_nothing_is_told(weir, server, name, user):
    address = url(weir, name, user=None).replace("://", f"://{user}@" if user else "://")
    done = git("ls-remote", address, check=False)
    assert done.returncode != 0 and ("Authentication failed" in done.stderr or "could not read" in done.stderr), done.stderr
    assert server.requests == []


def test_who_may_not_open_it_is_told_so(weir, server, name):
    assert git("ls-remote", url(weir, name, user="eve"), check=False).returncode != 0
    assert server.requests == []


def test_the_servers_credentials_are_not_the_clients(weir, server, name, work):
    assert server.requests and all("Authorization" not in each.headers for each in server.requests)
