from weir_sdk import Batch, Column, Edits, Masker, Operation, Plan


class Plugin(Masker):
    name = "{{name}}"
    description = "Hides salaries"

    def plan(self, shape: int, columns: list[Column], operation: Operation) -> Plan:
        # `source` is the column's name in its table, whatever the query calls it.
        wanted = [index for index, column in enumerate(columns) if column.source == "salary"]
        return Plan(wanted, rules=["salary"], reusable=True)

    def mask(self, shape: int, values: Batch) -> Edits:
        edits = Edits()
        for cell, (_column, _text) in enumerate(values):
            edits.null(cell, rule=0)
        return edits
