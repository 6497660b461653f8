// A class `Plugin` that extends Masker, as the contract's world `masker`.

import { Batch } from "./index.js";
import { current, guarded, lifecycleOf } from "./shared.js";

const lists = ({ columns, digits = 0, bytes = [], words = [], settled = false }) =>
    ({ columns, digits, bytes: Uint8Array.from(bytes), words, settled });

export const exportsOf = (Plugin) => ({
    lifecycle: lifecycleOf(Plugin),
    mask: {
        open(info) {
            guarded(() => current.plugin.open(info));
        },
        plan(shape, columns, operation) {
            return guarded(() => {
                const { wanted, rules, reusable, signs } = current.plugin.plan(shape, columns, operation);
                return { wanted, rules, reusable: reusable === true, signs: signs && lists(signs) };
            });
        },
        mask(shape, values) {
            return guarded(() => {
                const edits = current.plugin.mask(shape, new Batch(values));
                const { cells, starts, stops, ends, rules, nulls, nullRules } = edits;
                return { cells, starts, stops, replacements: Uint8Array.from(edits.replacements), ends, rules, nulls, nullRules };
            });
        },
        forget(_shape) {},
    },
});
