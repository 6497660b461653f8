"""A class Plugin derived from Masker, as the contract's world `masker`."""

from wit_world.exports import mask

from ._shared import Lifecycle, current, guarded
from .types import Batch

__all__ = ["Lifecycle", "Mask"]


class Mask:
    def open(self, info) -> None:
        guarded(lambda: current[0].open(info))

    def plan(self, shape, columns, operation):
        def ask():
            plan = current[0].plan(shape, columns, operation)
            signs = plan.signs and mask.Signs(plan.signs.columns, plan.signs.digits, bytes(plan.signs.bytes), plan.signs.words, plan.signs.settled)
            return mask.MaskingPlan(plan.wanted, plan.rules, plan.reusable, signs)

        return guarded(ask)

    def mask(self, shape, values):
        def ask():
            said = current[0].mask(shape, Batch(values.cells, values.ends, values.columns))
            return mask.Edits(said.cells, said.starts, said.stops, bytes(said.replacements), said.ends, said.rules,
                              said.nulls, said.null_rules)

        return guarded(ask)

    def forget(self, shape) -> None:
        pass
