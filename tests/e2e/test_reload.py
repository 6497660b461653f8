"""Reload never hurts: replaced plugins and a changed configuration drop no session, and a bad one changes nothing."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import certificates
import pytest
import template
from conftest import MASK, PLUGINS
from processes import free_port
from weir import Weir
from wire import SYNC, Refused, Wire, bind, errors, execute, parse, rows

#: the rhythm in which plugins are replaced
RHYTHM_SECONDS = 0.2
BENCH_SECONDS = int(os.environ.get("WEIR_RELOAD_SECONDS", "30"))
ALLOW, HOUSE = PLUGINS / "allow.wasm", PLUGINS / "house-rules.wasm"


def digest(content: bytes | Path) -> str:
    return hashlib.sha256(content.read_bytes() if isinstance(content, Path) else content).hexdigest()


def another_build(file: Path, mark: str) -> bytes:
    """The same plugin with a custom section more: another digest."""
    name = b"mark"
    body = bytes([len(name)]) + name + mark.encode()
    return file.read_bytes() + b"\0" + bytes([len(body)]) + body


def put(weir: Weir, name: str, content: bytes) -> None:
    """Beside, then renamed over the old one."""
    beside = weir.folder / f"{name}.{threading.get_ident()}.new"
    beside.write_bytes(content)
    beside.rename(weir.plugins_folder / f"{name}.wasm")


def edit(weir: Weir, old: str, new: str) -> None:
    before = weir.config.read_text()
    assert old in before
    if weir.config_of_commands is None:
        weir.config_of_commands = weir.folder / "good.toml"
        weir.config_of_commands.write_text(before)
    beside = weir.folder / "weir.toml.new"
    beside.write_text(before.replace(old, new))
    beside.rename(weir.config)


def log_has(weir: Weir, text: str):
    return lambda: text in weir.log.read_text(errors="replace")


class Replacing:
    """Puts the next of several builds of each plugin in place, again and again, until it is left."""

    def __init__(self, weir: Weir, builds: dict[str, list[bytes]]):
        self.weir, self.builds = weir, builds
        self.over = threading.Event()
        self.times = 0
        self.thread = threading.Thread(target=self._go)

    def __enter__(self) -> Replacing:
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def _go(self) -> None:
        while not self.over.wait(RHYTHM_SECONDS):
            self.times += 1
            for name, builds in self.builds.items():
                put(self.weir, name, builds[self.times % len(builds)])


# Plugins ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def bench(server):
    endpoint = server.create_database("reload_bench")
    done = subprocess.run([template.program("pgbench"), "-i", "-q", "-s", "1"], env=endpoint.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return endpoint


@pytest.mark.parametrize("protocol", ["simple", "prepared"])
def test_replacing_plugins_under_load(bench, protocol):
    """Policy, masker and inspector under three builds each, twice five times a second; pgbench notices nothing."""
    builds = {"rules": [ALLOW.read_bytes(), HOUSE.read_bytes(), another_build(ALLOW, "other")],
              "pii-mask": [another_build(PLUGINS / "pii-mask.wasm", mark) for mark in "ab"]}
    # Nothing is read twice as fast as it is compiled: what has once been compiled is kept.
    with Weir(bench, pipeline=("postgres", "rules", "pii-mask"), default="allow", files={"rules": ALLOW},
              plugins={"pii-mask": {"settings": MASK | {"columns": ["pgbench_accounts.filler", "pgbench_tellers.*"]}}},
              sections={"audit": {"patience": "60s"}}) as weir, Replacing(weir, builds) as replacing:
        done = subprocess.run([template.program("pgbench"), "-n", "-c", "4", "-j", "2", "-M", protocol, "-T", str(BENCH_SECONDS)],
                              env=weir.endpoint.environment(), capture_output=True, text=True, timeout=BENCH_SECONDS + 60)
        replacing.__exit__()
        assert done.returncode == 0, done.stderr
        assert "number of failed transactions: 0" in done.stdout
        assert "ERROR" not in done.stderr and "aborted" not in done.stderr, done.stderr
        assert replacing.times >= 2 * BENCH_SECONDS
        put_in_place = {"postgres": {digest(PLUGINS / "postgres.wasm")}} | {name: {digest(build) for build in each} for name, each in builds.items()}
        put_in_place["pii-mask"].add(digest(PLUGINS / "pii-mask.wasm"))
        intents = weir.trail(kind="intent")
        assert len(intents) > 100
        judges: dict[str, set[str]] = {}
        for intent in intents:
            judged = {each["plugin"]: each["digest"] for each in intent["body"]["detail"]["judged_by"]}
            assert {"postgres", "rules"} <= set(judged), intent
            for name, used in judged.items():
                assert used in put_in_place[name], (name, used)
                judges.setdefault(name, set()).add(used)
        assert len(judges["rules"]) == 3, "each build has judged something"
        outcomes = weir.trail(kind="outcome")
        assert all(each["body"].get("status") == "ok" for each in outcomes), [each for each in outcomes if each["body"].get("status") != "ok"][:3]
        assert weir.trail(kind="refused") == [] and weir.trail(kind="plugin-refused") == []
        assert weir.command("audit", "verify").returncode == 0


def test_an_open_transaction_goes_on_with_the_new_policy(upstream):
    """A session that lives gets the new policy at its next operation, and keeps what it has at the upstream."""
    with Weir(upstream, pipeline=("postgres", "rules"), default="allow", files={"rules": ALLOW}) as weir, Wire(weir.endpoint) as wire:
        wire.ask_text("begin; create temp table mine (x int); insert into mine values (7)")
        wire.ask(parse("select x from mine", "kept"), SYNC)
        assert errors(wire.ask_text("select salary from employees limit 1")) == []
        put(weir, "rules", HOUSE.read_bytes())
        weir.wait_for("the new policy", lambda: weir.trail(kind="plugin-loaded")[-1]["body"]["detail"]["digest"] == digest(HOUSE))
        assert rows(wire.ask(bind(statement="kept"), execute(), SYNC)) == [("7",)]
        refused = errors(wire.ask_text("select salary from employees limit 1"))
        assert [each.sqlstate for each in refused] == ["42501"]


@pytest.mark.parametrize("name, content, reason", [
    ("rules", b"garbage", "not a WebAssembly file"),
    ("rules", b"", ""),
    ("rules", ALLOW.read_bytes()[:30000] if ALLOW.exists() else b"", "damaged"),
    ("rules", (PLUGINS / "broken.wasm").read_bytes() if ALLOW.exists() else b"", "configure"),
    ("rules", (PLUGINS / "pii-mask.wasm").read_bytes() if ALLOW.exists() else b"", "it is a masker; a policy is needed"),
    ("pii-mask", ALLOW.read_bytes() if ALLOW.exists() else b"", "it is a policy; a masker is needed"),
    ("postgres", b"garbage", "not a WebAssembly file"),
])
def test_a_bad_plugin_file_is_refused_and_the_old_one_stays(upstream, name, content, reason):
    with Weir(upstream, pipeline=("postgres", "rules", "pii-mask"), default="deny", files={"rules": ALLOW},
              plugins={"pii-mask": {"settings": MASK}}) as weir, Wire(weir.endpoint) as old:
        old.ask_text("select 1")
        put(weir, name, content)
        (record,) = weir.wait_for("the refusal", lambda: weir.trail(kind="plugin-refused"))
        assert record["body"]["detail"]["plugin"] == name
        assert reason in record["body"]["detail"]["reason"]
        assert record["body"]["detail"]["digest"] == digest(content)
        with Wire(weir.endpoint) as new:
            for wire in (old, new):
                assert rows(wire.ask_text("select full_name from customers where id = 9001")) == [("[REDACTED]",)]
        good = digest(PLUGINS / f"{name}.wasm") if name != "rules" else digest(ALLOW)
        assert weir.trail(kind="intent")[-1]["body"]["detail"]["judged_by"][0]["digest"] == digest(PLUGINS / "postgres.wasm")
        assert good[:12] in weir.command("plugins").stdout
        # A good one after it is taken.
        if name == "rules":
            put(weir, name, HOUSE.read_bytes())
            weir.wait_for("the good one", lambda: errors(old.ask_text("select salary from employees limit 1")))


def test_a_plugin_that_disappears_refuses_until_it_is_back(upstream):
    """Missing is not open: with its policy gone, nothing runs; the session stays."""
    with Weir(upstream, pipeline=("postgres", "rules"), default="allow", files={"rules": ALLOW}) as weir, Wire(weir.endpoint) as wire:
        assert errors(wire.ask_text("select 1")) == []
        (weir.plugins_folder / "rules.wasm").unlink()
        weir.wait_for("a refusal", lambda: errors(wire.ask_text("select 1")))
        put(weir, "rules", HOUSE.read_bytes())
        weir.wait_for("an answer", lambda: errors(wire.ask_text("select 1")) == [])


# Configuration ------------------------------------------------------------------------------------------------

@pytest.fixture
def plain(gateway):
    return gateway(pipeline=("postgres", "allow"), default="deny", files={"allow": ALLOW})


def applied(weir: Weir, change: str):
    return lambda: [each for each in weir.trail(kind="config-applied") if any(change in line for line in each["body"]["detail"]["changes"])]


def test_changes_while_sessions_live(plain):
    """Limits and the pipeline change; who is in stays in."""
    with Wire(plain.endpoint) as old:
        old.ask_text("begin")
        edit(plain, '[admin]', '[limits]\nidle_timeout = "2h"\nmax_sessions_per_user = 2\n\n[admin]')
        plain.wait_for("the change", applied(plain, "limits"))
        with Wire(plain.endpoint):
            with pytest.raises(Refused) as caught:
                Wire(plain.endpoint)
            assert caught.value.sqlstate == "53300"
        assert rows(old.ask_text("select 1")) == [("1",)]
        edit(plain, "max_sessions_per_user = 2", "max_sessions_per_user = 50")
        plain.wait_for("room for three", lambda: three_fit(plain))
        assert rows(old.ask_text("select 2")) == [("2",)]


def three_fit(weir: Weir) -> bool:
    """Two besides the one that is open."""
    try:
        with Wire(weir.endpoint), Wire(weir.endpoint):
            return True
    except Refused:
        return False


def test_who_is_no_longer_allowed_leaves_and_others_stay(plain):
    with Wire(plain.endpoint_of("ann")) as ann, Wire(plain.endpoint_of("lea")) as lea:
        edit(plain, '["group:engineers", "group:leads"]', '["group:leads"]')
        said = errors(ann.until_closed())
        assert [each.sqlstate for each in said] == ["57P01"]
        assert rows(lea.ask_text("select 1")) == [("1",)]
        with pytest.raises(Refused):
            Wire(plain.endpoint_of("ann"))


def test_a_removed_user_leaves(plain):
    with Wire(plain.endpoint_of("ann")) as ann, Wire(plain.endpoint_of("lea")) as lea:
        ann.ask_text("begin")
        plain.command("user", "remove", "ann-agent")
        plain.command("user", "remove", "ann")
        assert [each.sqlstate for each in errors(ann.until_closed())] == ["57P01"]
        assert rows(lea.ask_text("select 1")) == [("1",)]
        with pytest.raises(Refused) as caught:
            Wire(plain.endpoint_of("ann"))
        assert caught.value.sqlstate == "28P01"


def test_a_new_user_gets_in_without_a_restart(plain):
    plain.command("user", "add", "zoe", "--group", "engineers", "--password-stdin", input="secret of zoe\n")

    def let_in() -> bool:
        try:
            with Wire(plain.endpoint.at(user="zoe", password="secret of zoe")) as wire:
                return rows(wire.ask_text("select 1")) == [("1",)]
        except Refused:
            return False

    plain.wait_for("zoe's session", let_in)


def test_a_resource_comes_and_goes(plain):
    port = free_port()
    before = plain.config.read_text()
    section = before[before.index("[[resource]]"):]
    section = section[:section.index("\n\n")] if "\n\n" in section else section
    more = section.replace('"customers"', '"second"', 1).replace(f"127.0.0.1:{plain.port}", f"127.0.0.1:{port}")
    with Wire(plain.endpoint) as old:
        edit(plain, section, section + "\n\n" + more)
        plain.wait_for("the new resource", applied(plain, "resource.second"))
        with Wire(plain.endpoint.at(port=port)) as wire:
            assert rows(wire.ask_text("select 1")) == [("1",)]
            plain.config.write_text(before)
            assert [each.sqlstate for each in errors(wire.until_closed())] == ["57P01"]
        assert rows(old.ask_text("select 1")) == [("1",)]


@pytest.mark.parametrize("old, new, problem", [
    ("[log]", "[log", "this is not TOML"),
    ('default = "deny"', 'default = "maybe"', '`default` cannot be "maybe"'),
    ('"postgres", "allow"', '"postgres", "no-such"', "no-such"),
    ('"postgres", "allow"', '"allow"', "needs exactly one inspector"),
    ('"postgres", "allow"', '"allow", "postgres"', "needs exactly one inspector"),
    ("[log]", '[plugin.allow]\nsettings = { a = 1 }\n[log]', "it takes no settings"),
    ("[log]", '[plugin.postgres]\nfailure_mode = "open"\n[log]', "only a policy may fail open"),
    ("UPSTREAM_PASSWORD", "NO_SUCH_PASSWORD", "the environment has no variable"),
])
def test_a_bad_configuration_is_refused_and_the_old_one_stays(plain, old, new, problem):
    with Wire(plain.endpoint) as session:
        edit(plain, old, new)
        (record,) = plain.wait_for("the refusal", lambda: plain.trail(kind="config-refused"))
        told = "\n".join(record["body"]["detail"]["problems"])
        assert record["body"]["detail"]["digest"] == digest(plain.config)
        assert problem in told
        assert "--> " in told and "^" in told
        assert problem.replace('"', '\\"') in plain.log.read_text()
        for wire in (session, Wire(plain.endpoint)):
            assert rows(wire.ask_text("select 1")) == [("1",)]
        wire.close()
        # And the next good one is taken.
        edit(plain, new, old)
        edit(plain, "[admin]", '[limits]\nidle_timeout = "2h"\n\n[admin]')
        plain.wait_for("the good one", applied(plain, "idle_timeout"))


def test_an_address_that_is_taken_is_refused(plain):

    with socket.create_server(("127.0.0.1", 0)) as taken, Wire(plain.endpoint) as session:
        edit(plain, f"127.0.0.1:{plain.port}", f"127.0.0.1:{taken.getsockname()[1]}")
        plain.wait_for("the refusal", lambda: plain.trail(kind="config-refused"))
        assert rows(session.ask_text("select 1")) == [("1",)]
        with Wire(plain.endpoint) as another:
            assert rows(another.ask_text("select 1")) == [("1",)]


def test_a_file_that_is_gone_for_a_moment(plain):
    """Editors move files away before they put new ones in place."""
    content = plain.config.read_text()
    plain.config_of_commands = plain.folder / "good.toml"
    plain.config_of_commands.write_text(content)
    with Wire(plain.endpoint) as session:
        plain.config.unlink()
        plain.wait_for("the refusal", lambda: plain.trail(kind="config-refused"))
        assert rows(session.ask_text("select 1")) == [("1",)]
        plain.config.write_text(content.replace("[admin]", '[limits]\nidle_timeout = "2h"\n\n[admin]'))
        plain.wait_for("the new one", applied(plain, "idle_timeout"))
        assert rows(session.ask_text("select 1")) == [("1",)]


def test_hang_up_means_reload(plain):
    """Also of what no file shows: here nothing has changed, and nothing happens."""
    with Wire(plain.endpoint) as session:
        before = len(plain.trail(kind="config-applied"))
        plain.process.send_signal(signal.SIGHUP)
        edit(plain, "[admin]", '[limits]\nidle_timeout = "2h"\n\n[admin]')
        plain.process.send_signal(signal.SIGHUP)
        plain.wait_for("the change", applied(plain, "idle_timeout"))
        assert len(plain.trail(kind="config-applied")) == before + 1
        assert rows(session.ask_text("select 1")) == [("1",)]
        edit(plain, "[admin]", "[admin")
        plain.process.send_signal(signal.SIGHUP)
        plain.wait_for("the refusal", lambda: plain.trail(kind="config-refused"))
        assert rows(session.ask_text("select 2")) == [("2",)]


def test_a_changed_setting_of_a_plugin_is_used_by_the_next_operation_or_session(standard):
    weir = standard()
    with Wire(weir.endpoint) as old:
        assert rows(old.ask_text("select email from customers where id = 9001")) == [("[EMAIL]",)]
        edit(weir, '"detect" = ', '"method" = "null", "detect" = ')
        weir.wait_for("the change", applied(weir, "pii-mask"))
        with Wire(weir.endpoint) as new:
            assert rows(new.ask_text("select email from customers where id = 9001")) == [(None,)]
        assert rows(old.ask_text("select email from customers where id = 9001"))[0][0] in ("[EMAIL]", None)


def test_a_bad_plugin_file_does_not_keep_a_user_in(gateway):
    """What a change does not concern is not tried again: here a policy whose file is bad by now."""
    weir = gateway(pipeline=("postgres", "allow"), default="deny", files={"allow": ALLOW})
    with Wire(weir.endpoint) as ann:
        put(weir, "allow", b"garbage")
        weir.wait_for("the refusal", lambda: weir.trail(kind="plugin-refused"))
        weir.command("user", "remove", "ann-agent")
        weir.command("user", "remove", "ann")
        assert [each.sqlstate for each in errors(ann.until_closed())] == ["57P01"]


def test_a_renewed_certificate_is_shown_to_new_connections(upstream, tmp_path):
    old, new = certificates.make(tmp_path / "old"), certificates.make(tmp_path / "new")
    folder = tmp_path / "used"
    folder.mkdir()

    def use(made: certificates.Certificates) -> None:
        for name, file in (("weir.key", made.key), ("weir.pem", made.certificate)):
            (folder / f"{name}.new").write_bytes(file.read_bytes())
            (folder / f"{name}.new").chmod(0o600)
            (folder / f"{name}.new").rename(folder / name)

    use(old)
    tls = {"certificate": str(folder / "weir.pem"), "key": str(folder / "weir.key"), "required": False}
    with Weir(upstream, pipeline=("postgres", "allow"), files={"allow": ALLOW}, resource={"tls": tls}) as weir, Wire(weir.endpoint) as session:
        assert shown(weir) == ssl.PEM_cert_to_DER_cert(old.certificate.read_text())
        use(new)
        weir.wait_for("the new certificate", lambda: shown(weir) == ssl.PEM_cert_to_DER_cert(new.certificate.read_text()))
        assert applied(weir, "resource.customers.tls.contents")()
        assert rows(session.ask_text("select 1")) == [("1",)]


def shown(weir: Weir) -> bytes:
    """The certificate a client sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", weir.port)) as plain:
        plain.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as client:
            return client.getpeercert(binary_form=True)


def test_what_is_taken_out_of_the_configuration_is_gone_from_the_lists_when_no_session_has_it(upstream, connect):
    def listed() -> dict[str, str]:
        return {each["name"]: each["state"] for each in json.loads(weir.command("plugin", "status", "--json").stdout)}

    with Weir(upstream, pipeline=("postgres", "allow"), default="allow") as weir:
        session = connect(weir.endpoint)
        assert session.execute("select 1").fetchone() == (1,)
        assert listed() == {"postgres": "ready", "allow": "ready"}
        calls = weir.metric('weir_plugin_calls_total{plugin="allow"')
        assert calls > 0
        edit(weir, '"postgres", "allow"', '"postgres"')
        weir.wait_for("the new pipeline", lambda: weir.trail(kind="config-applied")[1:])
        session.close()
        weir.wait_for("the end of the plugin", lambda: listed() == {"postgres": "ready"})
        assert weir.metric('weir_plugin_calls_total{plugin="allow"') == 0
        # Who comes back goes on counting.
        edit(weir, '"postgres"]', '"postgres", "allow"]')
        weir.wait_for("the old pipeline", lambda: listed() == {"postgres": "ready", "allow": "ready"})
        assert weir.metric('weir_plugin_calls_total{plugin="allow"') >= calls


def test_what_needs_a_restart_says_so_and_waits(plain):
    edit(plain, "[admin]", '[audit]\npatience = "5s"\n\n[admin]')
    (record,) = plain.wait_for("the change", applied(plain, "audit.patience"))
    assert record["body"]["detail"]["outcome"] == "needs-restart"
    assert record["body"]["detail"]["changes"] == ["~ audit.patience (after a restart)"]


def test_the_level_of_the_log_changes_while_it_runs(plain):
    assert '"level":"DEBUG"' not in plain.log.read_text()
    edit(plain, 'level = "info"', 'level = "debug"')

    def debug() -> bool:
        with Wire(plain.endpoint):
            return '"level":"DEBUG"' in plain.log.read_text()

    plain.wait_for("a word of debugging", debug)


def test_a_user_who_expires_leaves_and_so_do_their_agents(plain):
    def expire(text: str) -> None:
        users = plain.folder / "users.toml"
        before = users.read_text()
        assert before.count('name = "ann"\n') == 1
        beside = plain.folder / "users.toml.new"
        beside.write_text(before.replace('name = "ann"\n', f'name = "ann"\nexpires = "{text}"\n'))
        beside.chmod(0o600)
        beside.rename(users)

    with Wire(plain.endpoint_of("ann")) as ann, Wire(plain.endpoint_of("ann-agent")) as agent, Wire(plain.endpoint_of("lea")) as lea:
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
        expire(soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
        plain.wait_for("the change", applied(plain, "user.ann.expires"))
        assert rows(ann.ask_text("select 1")) == [("1",)]
        for wire in (ann, agent):
            assert [each.sqlstate for each in errors(wire.until_closed())] == ["57P01"]
        assert datetime.datetime.now(datetime.timezone.utc) >= soon.replace(microsecond=0)
        assert rows(lea.ask_text("select 1")) == [("1",)]
        ended = [each["body"]["principal"] for each in plain.trail(kind="session-ended")]
        assert sorted(ended) == ["ann", "ann-agent"]
