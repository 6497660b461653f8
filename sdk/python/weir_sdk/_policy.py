"""A class Plugin derived from Policy, as the contract's world `policy`. The records of both sides have the same fields."""

from wit_world.exports import decide
from wit_world.imports import types as wire

from ._shared import Lifecycle, current, guarded

__all__ = ["Decide", "Lifecycle"]

_VERDICTS = {
    "abstain": lambda _: decide.Verdict_Abstain(),
    "allow": lambda _: decide.Verdict_Allow(),
    "deny": lambda said: decide.Verdict_Deny(decide.Explanation(said.code, said.reason)),
    "hold": lambda said: decide.Verdict_Hold(decide.HoldRequest(said.code, said.reason, said.reviewers)),
    "rewrite": lambda said: decide.Verdict_Rewrite(said.text),
}


def _decision(said) -> decide.Decision:
    findings = [decide.Finding(each.rule, each.place, each.score) for each in said.findings]
    tags = [wire.Attribute(each.name, each.value) for each in said.tags]
    return decide.Decision(_VERDICTS[said.verdict](said), findings, tags, said.reusable, said.for_any_text)


class Decide:
    def open(self, info) -> None:
        guarded(lambda: current[0].open(info))

    def decide(self, operation):
        return guarded(lambda: _decision(current[0].decide(operation)))
