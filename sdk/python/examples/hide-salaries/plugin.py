"""Salaries become NULL, and of an e-mail address its domain stays."""

from weir_sdk import Batch, Column, Edits, Masker, Operation, Plan, Signs

RULES = {"salary": 0, "email": 1}


class Plugin(Masker):
    name = "hide-salaries"
    description = "Hides salaries and the names in e-mail addresses"

    def __init__(self, settings: dict):
        #: of each shape: the rule of each column
        self.rules: dict[int, list[int | None]] = {}

    def plan(self, shape: int, columns: list[Column], operation: Operation) -> Plan:
        rules = self.rules[shape] = [RULES.get(column.source) for column in columns]
        wanted = [index for index, rule in enumerate(rules) if rule is not None]
        # Of what has no sign of an address in it nothing is hidden, so it need not be sent.
        signs = Signs([index for index in wanted if rules[index] == RULES["email"]], bytes=b"@", settled=True)
        return Plan(wanted, list(RULES), reusable=True, signs=signs)

    def mask(self, shape: int, values: Batch) -> Edits:
        edits = Edits()
        rules = self.rules[shape]
        for cell, (column, text) in enumerate(values):
            if rules[column] == RULES["salary"]:
                edits.null(cell, RULES["salary"])
            elif (at := text.rfind(b"@")) > 0:
                edits.replace(cell, 0, at, "***", RULES["email"])
        return edits
