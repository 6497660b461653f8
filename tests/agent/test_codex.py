"""A coding agent as it is: Codex CLI works on a database and on tools, both through weir, for Ann, with a token.

It runs once, by a script that a real model could have written; then each test looks at one side of what happened.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import leaks
from codex import BINARY, Codex
from crm import EMAIL, NAME, Crm
from model import FAREWELL, Model, shell, tool
from postgres import Postgres
from weir import User, Weir, http

AGENT = "ann-codex"
#: what the agent does, in this order
READ, GRANT, UPDATE, FIND, REFUND, DELETE = range(6)
SCRIPT = [
    shell("psql -Xc 'select full_name, email, phone, card_number, iban, ssn, id from customers where id in (1, 9001)'"),
    shell("psql -Xc 'grant all on customers to public' -c 'select 6 * 7 as still_here'"),
    shell("psql -Xc 'update customers set balance = balance + 1'"),
    tool("crm", "find_customer", id=9001),
    tool("crm", "refund", id=9001, amount=20),
    tool("crm", "delete_customer", id=9001),
]
GUARD = {"protect": [
    {"kinds": ["mcp.tool-call"], "objects": ["refund"], "reason": "money goes out", "reviewers": ["group:leads"]},
    {"kinds": ["mcp.tool-call"], "objects": ["delete_*"], "answer": "deny", "reason": "nothing is deleted here"},
]}
MASK = {"columns": ["customers.full_name", "*.ssn", "mcp:find_customer.name"], "detect": ["email", "phone", "card", "iban", "ssn"]}
CRM = {"path_prefix": "/mcp", "pipeline": ["mcp", "change-guard", "pii-mask"]}


@pytest.fixture(scope="module")
def server():
    with Postgres(settings={"log_statement": "all"}) as running:
        running.create_database("customers", sample=True)
        yield running


@pytest.fixture(scope="module")
def crm():
    with Crm() as running:
        yield running


@pytest.fixture(scope="module")
def weir(server, crm):
    plugins = {"mcp": {"settings": {"paths": ["/mcp"]}}, "change-guard": {"settings": GUARD}, "pii-mask": {"settings": MASK}}
    with Weir(server.endpoint.at(database="customers"), pipeline=("postgres", "sql-guard", "change-guard", "pii-mask"),
              resources=[http("crm", crm.url, **CRM)], plugins=plugins, users=(User("ann"), User("lea", groups=("leads",)))) as running:
        running.command("user", "add", AGENT, "--kind", "agent", "--on-behalf-of", "ann", "--group", "engineers", "--tokens", "--no-password")
        running.wait_for("the new user", lambda: running.trail(kind="config-applied")[1:])
        yield running


def codex(weir: Weir, model: Model, token: str) -> Codex:
    """The agent with this token, for the database and for the tools."""
    shell = weir.endpoint.at(user=AGENT, password=token).variables() | {"PGPASSFILE": "/dev/null"}
    return Codex(model.url, weir.url("crm"), token, shell)


def new_token(weir: Weir) -> str:
    return weir.command("token", "create", "--user", AGENT, "--ttl", "1h").stdout.strip()


class Reviews:
    """Whoever reviews: Ann tries to approve what her agent asks for; then Lea does."""

    def __init__(self, weir: Weir, crm: Crm, server: Postgres):
        self.weir, self.crm, self.server = weir, crm, server
        self.requests: list[dict] = []
        self.anns: list[subprocess.CompletedProcess] = []
        #: what had happened by the time it was held, and must not have
        self.early: list[bool] = []
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self.review, daemon=True)

    def review(self) -> None:
        try:
            for happened in (self.updated, self.refunded):
                (request,) = self.weir.wait_for("a request for approval", self.waiting, 90)
                self.anns.append(self.weir.as_person("ann", "approvals", "approve", request["id"], check=False))
                self.early.append(happened())
                self.requests.append(request)
                self.weir.as_person("lea", "approvals", "approve", request["id"], "--reason", "agreed with Ann")
        except BaseException as failure:  # noqa: BLE001: it is told by the thread that waits
            self.failure = failure

    def waiting(self) -> list[dict]:
        return json.loads(self.weir.as_person("lea", "approvals", "list", "--json").stdout)

    def updated(self) -> bool:
        return "update customers" in self.server.log.read_text(errors="replace")

    def refunded(self) -> bool:
        return any(call[0] == "refund" for call in self.crm.called)


class Story:
    """One run of the agent, and all that was seen of it."""

    def __init__(self, weir: Weir, crm: Crm, server: Postgres):
        self.reviews = Reviews(weir, crm, server)
        with Model(SCRIPT) as self.model, codex(weir, self.model, new_token(weir)) as agent:
            self.reviews.thread.start()
            self.ran = agent.run("Look after customer 9001.")
            self.kept = agent.kept()
        assert self.ran.code == 0, self.ran.complaints
        self.reviews.thread.join(100)
        assert not self.reviews.failure, self.reviews.failure
        self.records = weir.trail(principal=AGENT)

    def of(self, kind: str, resource: str, text: str) -> dict:
        """The one record of that kind about this text."""
        found = [each for each in self.records if (each["body"]["kind"], each["body"].get("resource")) == (kind, resource)
                 and each["payload"]["text"].startswith(text)]
        assert len(found) == 1, (kind, text, found)
        return found[0]

    def outcome_of(self, intent: dict) -> dict:
        key = lambda record: (record["body"]["kind"], record["body"].get("session"), record["body"].get("operation"))  # noqa: E731
        (found,) = [each for each in self.records if key(each) == ("outcome", *key(intent)[1:])]
        return found

    def session_of(self, record: dict) -> dict:
        (found,) = [each for each in self.records if each["body"]["kind"] == "session-opened"
                    and each["body"]["session"] == record["body"]["session"]]
        return found


@pytest.fixture(scope="module")
def story(weir, crm, server):
    return Story(weir, crm, server)


def claims(record: dict) -> dict[str, str]:
    return {claim["name"]: claim["value"] for claim in record["payload"].get("claimed", [])}


# --- what the agent could do


def test_the_agent_does_its_work(story, crm, server):
    assert {"exec_command", "mcp__crm/find_customer", "mcp__crm/refund"} <= story.model.tools()
    assert story.ran.items[-1]["text"] == FAREWELL
    assert crm.called == [("find_customer", 9001), ("refund", 9001, 20)]
    assert "9001" in story.model.told(READ) and "UPDATE 401" in story.model.told(UPDATE)
    assert '"id":9001' in story.model.told(FIND) and '"balance":4711' in story.model.told(FIND)
    assert "paid 20 back" in story.model.told(REFUND)


def test_the_model_reads_why_something_is_refused_and_goes_on(story, server):
    assert "it changes privileges" in story.model.told(GRANT) and "weir: privilege-change" in story.model.told(GRANT)
    assert "42" in story.model.told(GRANT)
    assert "refused by policy" in story.model.told(DELETE) and "nothing is deleted here" in story.model.told(DELETE)
    log = server.log.read_text(errors="replace")
    assert "still_here" in log and "grant all" not in log


def test_neither_the_model_nor_the_agents_own_files_have_what_is_masked(story, server):
    direct = subprocess.run(["psql", "-XAtc", "table customers"], env=server.endpoint.at(database="customers").environment(),
                            capture_output=True, check=True, timeout=30)
    assert leaks.found_in(direct.stdout), "there is something to leak"
    assert "[EMAIL]" in story.model.told(READ) and "[EMAIL]" in story.model.told(FIND) and "[EMAIL]" in story.model.told(REFUND)
    heard = b"\n".join(body for _, body in story.model.heard)
    assert SCRIPT[FIND]["name"].encode() in heard and SCRIPT[FIND]["name"].encode() in story.kept
    for seen in (heard, story.kept):
        assert leaks.found_in(seen) == []
        assert EMAIL.encode() not in seen and NAME.encode() not in seen


def test_what_is_held_waits_for_a_second_person(story):
    assert story.reviews.early == [False, False]
    assert [request["text"] for request in story.reviews.requests] == ["update customers set balance = balance + 1", "refund"]
    assert {(each["requester"]["id"], each["requester"]["on_behalf_of"]) for each in story.reviews.requests} == {(AGENT, "ann")}
    for refused in story.reviews.anns:
        assert refused.returncode != 0 and "nor their agents'" in refused.stderr
    # psql shows the notice; the model reads that somebody was asked.
    assert "waiting for approval" in story.model.told(UPDATE)


# --- what the trail tells


@pytest.mark.parametrize(("kind", "resource", "text"), [
    ("intent", "customers", "select full_name"), ("refused", "customers", "grant all"), ("intent", "customers", "update customers"),
    ("intent", "crm", "find_customer"), ("intent", "crm", "refund"), ("refused", "crm", "delete_customer")])
def test_the_trail_tells_who_and_for_whom(story, kind, resource, text):
    opened = story.session_of(story.of(kind, resource, text))["body"]
    assert opened["principal"] == AGENT and opened["detail"]["on_behalf_of"] == "ann"
    assert opened["detail"]["principal_kind"] == "agent" and opened["detail"]["method"].startswith("token ")


def test_the_trail_tells_which_session_of_the_agent_as_a_claim(story):
    thread, version = story.ran.thread, subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert thread
    for step, kind, name in ((FIND, "intent", "find_customer"), (REFUND, "intent", "refund"), (DELETE, "refused", "delete_customer")):
        claimed = claims(story.of(kind, "crm", name))
        # Who the client is, and what Codex puts into `_meta` of each call on its own.
        assert (claimed["client-name"], claimed["client-version"]) == ("codex-mcp-client", version)
        assert claimed["user-agent"] == f"codex-mcp-client/{version}"
        assert claimed["meta-threadid"] == thread and claimed["meta-callid"].startswith(f"call_{step}_")
    for kind, text in (("intent", "select full_name"), ("refused", "grant all"), ("intent", "update customers")):
        assert claims(story.session_of(story.of(kind, "customers", text)))["application_name"] == f"codex/{thread}"


def test_one_search_finds_what_a_session_of_the_agent_did_anywhere(story, weir):
    found = [json.loads(line) for line in weir.command("audit", "search", "--text", story.ran.thread, "--json").stdout.splitlines()]
    assert {record["body"]["resource"] for record in found} == {"customers", "crm"}
    assert {record["body"]["principal"] for record in found} == {AGENT}


def test_the_trail_tells_what_came_back_masked(story):
    rules = {}
    for text, resource in (("select full_name", "customers"), ("find_customer", "crm"), ("refund", "crm")):
        outcome = story.outcome_of(story.of("intent", resource, text))["body"]
        assert outcome["status"] == "ok" and outcome["detail"]["masked_by"][0]["plugin"] == "pii-mask"
        rules[text] = {each["rule"] for each in outcome["detail"]["masked"]}
    assert "email" in rules["select full_name"] & rules["find_customer"] & rules["refund"]
    # The same component judged both.
    assert len({story.outcome_of(story.of("intent", *about))["body"]["detail"]["masked_by"][0]["digest"]
                for about in (("customers", "select full_name"), ("crm", "find_customer"))}) == 1


def test_the_trail_tells_who_approved(story):
    for resource, text in (("customers", "update customers"), ("crm", "refund")):
        intent = story.of("intent", resource, text)["body"]
        (review,) = [each for each in story.records if each["body"]["kind"] == "reviewed"
                     and (each["body"]["session"], each["body"]["operation"]) == (intent["session"], intent["operation"])]
        assert (review["body"]["detail"]["review"], review["body"]["detail"]["reviewer"]) == ("approve", "lea")
        assert review["body"]["detail"]["approval"] == intent["detail"]["approval"]


def test_the_trail_itself_keeps_nothing_that_is_masked(story, weir):
    exported = weir.command("audit", "export").stdout.encode()
    assert b"find_customer" in exported and leaks.found_in(exported) == []
    assert EMAIL.encode() not in exported and NAME.encode() not in exported
    assert "the trail is whole" in weir.command("audit", "verify").stdout


# --- what takes it away


def test_an_agent_whose_token_is_revoked_has_neither_database_nor_tools(story, weir, crm, server):
    token = new_token(weir)
    weir.command("token", "revoke", token.split("_")[1])
    before, log = list(crm.called), len(server.log.read_bytes())
    with Model([shell("psql -Xc 'select 1 as revoked'")]) as model, codex(weir, model, token) as agent:
        assert agent.run("Try again.").code == 0
    assert "exec_command" in model.tools() and not any(name.startswith("mcp__crm") for name in model.tools())
    assert "password authentication failed" in model.told(0)
    assert crm.called == before and b"revoked" not in server.log.read_bytes()[log:]
    assert {each["body"]["resource"] for each in weir.trail(kind="login-failed")
            if f"token {token.split('_')[1]}" in each["payload"]["reason"]} == {"customers", "crm"}
