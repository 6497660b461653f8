"""What is wrong with a configuration is told before anything starts: each problem with its line, a caret and help."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading

import certificates
from client_authority import Authority
import pytest
from conftest import MASK, PLUGINS, STANDARD
from endpoint import Endpoint
from weir import BINARY, ROOT, Weir

UPSTREAM = Endpoint("127.0.0.1", 1, "postgres", "throwaway", "customers")
WRONG = 64


@pytest.fixture
def configured():
    """Makes folders with a configuration; starts nothing."""
    made = []

    def make(**arguments) -> Weir:
        weir = Weir(UPSTREAM, users=(), **arguments)
        made.append(weir)
        weir.prepare()
        weir.command("user", "add", "ann", "--group", "engineers", "--password-stdin", input="secret of ann\n")
        return weir

    yield make
    for weir in made:
        weir.stop()


def line_of(weir: Weir, text: str) -> int:
    return next(number for number, line in enumerate(weir.config.read_text().splitlines(), 1) if text in line)


def refused(weir: Weir, verb: str = "check") -> str:
    done = weir.command(verb, check=False, timeout=30)
    assert done.returncode == WRONG, done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_good_one_is_fine(configured):
    weir = configured(pipeline=STANDARD, plugins={"pii-mask": {"settings": MASK}})
    weir.command("user", "add", "lea", "--group", "leads", "--password-stdin", input="secret of lea\n")
    done = weir.command("check")
    assert "is fine: 1 resource, 3 plugins, 2 users" in done.stdout


#: what to change in a good one; the message; where the caret is; the help
MISTAKES = {
    "a key that is not known": (lambda text: text.replace("reviewers =", "reviewer ="), "has no key `reviewer`", "reviewer = [", "did you mean `reviewers`?"),
    "a word that is not known": (lambda text: text.replace('default = "allow"', 'default = "maybe"'), '`default` cannot be "maybe"', "default =", "it can be `allow`, `deny`"),
    "not TOML": (lambda text: text.replace("[log]", "[log"), "this is not TOML", "[log", None),
    "a secret in the file": (lambda text: text.replace('{ "env" = "UPSTREAM_PASSWORD" }', '"throwaway"'), "password", "password =", None),
    "a secret that is not there": (lambda text: text.replace("UPSTREAM_PASSWORD", "NO_SUCH_PASSWORD"), "the environment has no variable NO_SUCH_PASSWORD", "password =", "set it"),
    "an address that is none": (lambda text: re.sub(r'(name = "customers"\n.*\n)listen = "[^"]*"', r'\1listen = "nowhere"', text), "nowhere", 'listen = "nowhere"', None),
    "a plugin that is not there": (lambda text: text.replace('"sql-guard"', '"house-keeper"'), "the plugin house-keeper is missing", "pipeline =", "put it there"),
    "no inspector": (lambda text: text.replace('pipeline = ["postgres", ', "pipeline = ["), "needs exactly one inspector, and first: it has 0", "pipeline =", "the inspector of the protocol"),
    "an inspector that is not first": (lambda text: text.replace('"postgres", "sql-guard"', '"sql-guard", "postgres"'), "needs exactly one inspector, and first: postgres is not first", "pipeline =", None),
}


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_shown(configured, mistake, verb):
    change, message, place, help = MISTAKES[mistake]
    weir = configured(pipeline=STANDARD)
    before = weir.config.read_text()
    weir.config.write_text(change(before))
    assert weir.config.read_text() != before
    shown = refused(weir, verb)
    assert message in shown
    line = line_of(weir, place)
    assert re.search(rf"--> {re.escape(str(weir.config))}:{line}:\d+\n", shown), shown
    assert re.search(rf"^ *{line} \| .*\n *\| +\^+$", shown, re.MULTILINE), shown
    assert help is None or re.search(r"= help: .*" + re.escape(help), shown), shown
    assert "throwaway" not in shown or mistake != "a secret in the file"


def test_all_of_them_at_once(configured):
    weir = configured(pipeline=STANDARD, plugins={"pii-mask": {"settings": {"detect": ["nonsense"]}}})
    weir.config.write_text(weir.config.read_text().replace("reviewers =", "reviewer =").replace('default = "allow"', 'default = "maybe"'))
    shown = refused(weir)
    assert "3 errors" in shown
    assert "reviewer" in shown and "maybe" in shown and "/detect/0" in shown


def test_settings_that_violate_the_schema_are_shown_at_their_line(configured):
    weir = configured(pipeline=STANDARD)
    weir.config.write_text(weir.config.read_text() + """
[plugin.pii-mask.settings]
methd = "redact"
detect = [
    "email",
    "nonsense",
]
[plugin.sql-guard.settings]
functions = [1]
""")
    shown = refused(weir)
    for pointer, place in (("/detect/1", '"nonsense"'), ("/functions/0", "functions = [1]")):
        problem = next(each for each in shown.split("\n\n") if pointer in each)
        assert f"{weir.config}:{line_of(weir, place)}:" in problem, shown
        assert "^" in problem
    assert "there is no key `methd` here; did you mean `method`?" in shown
    assert "3 errors" in shown


def test_a_plugin_without_the_settings_it_needs_is_shown_where_it_is_named(configured):
    shown = refused(configured(pipeline=STANDARD, plugins={"pii-mask": {"settings": {"method": "hash"}}}))
    assert "hash_key" in shown


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("content, message", [
    (b"garbage", "not a WebAssembly file"),
    (b"", "not a WebAssembly file"),
    ((PLUGINS / "allow.wasm").read_bytes()[:30000] if (PLUGINS / "allow.wasm").exists() else b"", "damaged"),
    (b"\0asm\1\0\0\0", "the plugin sql-guard is refused"),
])
def test_a_plugin_file_that_is_none(configured, content, message, verb):
    weir = configured(pipeline=STANDARD)
    (weir.plugins_folder / "sql-guard.wasm").write_bytes(content)
    shown = refused(weir, verb)
    assert message in shown
    assert f"{weir.config}:{line_of(weir, 'pipeline =')}:" in shown


def test_a_plugin_that_traps_when_configured(configured):
    shown = refused(configured(pipeline=("postgres", "broken")))
    assert "the plugin broken is refused" in shown and "configure" in shown


def test_a_capability_that_is_not_granted_prints_the_line_to_add(configured):
    """The test guest imports the clock. Built by the guests' own tests."""
    clocked = ROOT / "target/test-guests/clocked.wasm"
    if not clocked.exists():
        clocked = next((ROOT / "target/test-guests").rglob("clocked.wasm"), None)
    if clocked is None:
        pytest.skip("tests/guests are not built")
    weir = configured(pipeline=("postgres", "clocked"), files={"clocked": clocked})
    shown = refused(weir)
    assert re.search(r'(?s)help: .*capabilities = \["clock"\]', shown), shown
    weir.plugins = {"clocked": {"capabilities": ["clock"]}}
    weir.write_config()
    weir.command("check")


@pytest.mark.parametrize("settings", [{"failure_mode": "open"}])
def test_only_a_policy_may_fail_open(configured, settings):
    weir = configured(pipeline=STANDARD, plugins={"pii-mask": settings})
    shown = refused(weir)
    assert "only a policy may fail open" in shown
    assert f"{weir.config}:{line_of(weir, 'failure_mode')}:" in shown


def test_run_tells_before_it_binds(configured):
    """With its address taken by somebody else, a bad configuration is still what it complains about."""
    weir = configured(pipeline=STANDARD)
    with socket.create_server(("127.0.0.1", weir.port)):
        weir.config.write_text(weir.config.read_text().replace("reviewers =", "reviewer ="))
        assert "did you mean `reviewers`?" in refused(weir, "run")


def test_run_serves_nobody_before_its_plugins_are_fine(configured):
    weir = configured(pipeline=("postgres", "broken"))
    answered = []
    stop = threading.Event()

    def knock() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", weir.port), 1) as client:
                    client.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest
                    if got := client.recv(1):
                        answered.append(got)
            except OSError:
                pass

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        assert "the plugin broken is refused" in refused(weir, "run")
    finally:
        stop.set()
        knocking.join()
    assert answered == []


def check_example(folder) -> set[str]:
    """The codes of everything that is wrong with examples/weir.toml in this folder."""
    shutil.copy(ROOT / "examples/weir.toml", folder)
    secrets = dict.fromkeys(("CUSTOMERS_PASSWORD", "CRM_TOKEN", "GIT_PASSWORD"), "throwaway")
    environment = {"PATH": f"{folder}:/usr/bin:/bin"} | secrets
    done = subprocess.run([BINARY, "--config", folder / "weir.toml", "check"], capture_output=True, text=True, env=environment)
    codes = set(re.findall(r"^error\[([a-z-]+)\]", done.stderr, re.MULTILINE))
    assert (done.returncode == 0) == (not codes), done.stderr
    return codes


def test_the_example_lacks_only_what_is_not_there(tmp_path):
    """Every key of examples/weir.toml is known and valid: what is missing is files, folders, variables, programs."""
    assert check_example(tmp_path) <= {"folder-missing", "file-missing", "secret-variable", "secret-file", "command-start", "plugin-missing", "unknown-user"}


def test_the_example_is_fine_with_what_it_names(tmp_path):
    """Also what only the plugins can judge: their settings and capabilities."""
    made = certificates.make(tmp_path / "made")
    for folder in ("plugins", "certificates", "secrets"):
        (tmp_path / folder).mkdir()
    for name in ("postgres", "sql-guard", "http-api", "git"):
        shutil.copy(PLUGINS / f"{name}.wasm", tmp_path / "plugins")
    shutil.copy(PLUGINS / "pii-mask.wasm", tmp_path / "plugins/pii-mask-2.wasm")
    shutil.copy(PLUGINS / "sql-guard.wasm", tmp_path / "plugins/sql-guard-next.wasm")
    shutil.copy(made.authority, tmp_path / "certificates/internal-ca.pem")
    shutil.copy(made.certificate, tmp_path / "certificates/weir.pem")
    shutil.copy(made.key, tmp_path / "certificates/weir.key")
    clients = Authority(tmp_path / "clients")
    shutil.copy(clients.file, tmp_path / "certificates/clients-ca.pem")
    clients.list_revoked(tmp_path / "certificates/clients.crl")
    shutil.copy(made.certificate, tmp_path / "certificates/weir-client.pem")
    shutil.copy(made.key, tmp_path / "secrets/weir-client.key")
    (tmp_path / "secrets/orders").write_text("throwaway\n")
    (tmp_path / "secrets/billing").write_text("throwaway\n")
    (tmp_path / "weir-secret").write_text("#!/bin/sh\necho 'sixteen bytes and more'\n")
    (tmp_path / "weir-secret").chmod(0o755)
    (tmp_path / "users.toml").write_text('[[user]]\nname = "zoe"\nkind = "human"\ngroups = ["engineers", "leads"]\n')
    for file in ("certificates/weir.key", "secrets/weir-client.key", "secrets/orders", "secrets/billing", "users.toml"):
        (tmp_path / file).chmod(0o600)
    assert check_example(tmp_path) == set()


def test_a_digest_is_found_by_its_first_digits(configured):
    """`weir audit search --plugin`, offline: a run that is over."""
    weir = configured(pipeline=("postgres", "allow"))
    weir.start()
    weir.stop_process()
    whole = next(each["body"]["detail"]["digest"] for each in weir.trail(kind="plugin-loaded") if each["body"]["detail"]["plugin"] == "allow")
    for digits in (whole, whole[:8], whole[:8].upper()):
        assert "plugin-loaded" in weir.command("audit", "search", "--plugin", digits).stdout
    assert "plugin-loaded" not in weir.command("audit", "search", "--plugin", "0123456789").stdout
    assert weir.command("audit", "search", "--plugin", "nonsense", check=False).returncode != 0


# What a newcomer meets

def test_settings_that_a_plugin_itself_refuses_are_shown_at_its_settings(configured):
    """No schema can say that a method needs a key: the plugin does."""
    weir = configured(pipeline=STANDARD, plugins={"pii-mask": {"settings": MASK | {"method": "hash"}}})
    (problem,) = [each for each in refused(weir).split("\n\n") if "hash_key" in each]
    lines = weir.config.read_text().splitlines()
    (line,) = re.findall(r"-> \S+:(\d+):", problem)
    assert lines[int(line) - 1].startswith(("[plugin.pii-mask", "settings", "[plugin.\"pii-mask")), lines[int(line) - 1]


def test_after_a_warning_nothing_is_called_fine(configured):
    weir = configured(pipeline=STANDARD)
    with weir.config.open("a") as config:
        config.write('\n[plugin.nobody-names-it]\nfile = "plugins/pii-mask.wasm"\n')
    done = weir.command("check")
    assert done.stderr.count("warning[") == 3 and "is fine" not in done.stdout and "with the 3 warnings above" in done.stdout


def test_a_misspelt_name_in_a_pipeline_is_told_with_the_one_that_is_there(configured):
    weir = configured(pipeline=STANDARD)
    weir.config.write_text(weir.config.read_text().replace('"sql-guard"', '"sql-gaurd"'))
    for verb in ("check", "run"):
        shown = refused(weir, verb)
        assert "the plugin sql-gaurd is missing" in shown and "help: did you mean `sql-guard`?" in shown


def test_what_is_granted_to_a_plugin_that_does_not_ask_is_a_warning(configured):
    weir = configured(pipeline=STANDARD, plugins={"sql-guard": {"capabilities": ["clock"], "http": ["https://risk.internal"]}})
    done = weir.command("check")
    (granted, http) = [each for each in done.stderr.split("\n\n") if "[capability-not-used]" in each]
    assert "sql-guard is granted the capability `clock`, which it does not import" in granted and "^" in granted
    assert "sql-guard is granted origins" in http
    assert "is fine" not in done.stdout and "can be used" in done.stdout


def test_a_key_that_is_none_is_one_error_and_not_one_of_each_plugin(configured):
    weir = configured(pipeline=STANDARD)
    # As long as a key of OpenSSL, and of another kind.
    weir.sections["server"] = {"plugin_keys": ["MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="]}
    weir.write_config()
    shown = refused(weir)
    assert shown.count("error[") == 1 and "error[bad-key]" in shown


def test_an_empty_list_is_one_sentence_and_for_machines_an_empty_one(configured):
    weir = configured(pipeline=("postgres",))
    weir.command("user", "remove", "ann")
    for command, sentence in ((("user", "list"), "no users\n"), (("token", "list"), "no tokens\n")):
        assert weir.command(*command).stdout == sentence
        assert json.loads(weir.command(*command, "--json").stdout) == []


def test_an_empty_variable_names_no_file(tmp_path):
    done = subprocess.run([BINARY, "check"], env=os.environ | {"WEIR_CONFIG": ""}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "weir.toml" in done.stderr


def test_short_passwords_are_refused(configured):
    weir = configured(pipeline=STANDARD)
    done = weir.command("user", "add", "zoe", "--password-stdin", input="seven77\n", check=False)
    assert done.returncode != 0 and "needs 8" in done.stderr and "seven77" not in done.stderr
    assert "zoe" not in weir.command("user", "list").stdout
    weir.command("user", "add", "zoe", "--group", "staff", "--password-stdin", input="eight888\n")
    assert "zoe" in weir.command("user", "list").stdout
    shown = weir.command("user", "list", "--json").stdout
    (zoe,) = [user for user in json.loads(shown) if user["name"] == "zoe"]
    assert (zoe["kind"], zoe["groups"], zoe["has_password"], zoe["expires"]) == ("human", ["staff"], True, None)
    assert "SCRAM" not in shown
