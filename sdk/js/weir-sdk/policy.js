// A class `Plugin` that extends Policy, as the contract's world `policy`.

import { current, guarded, lifecycleOf } from "./shared.js";

export const exportsOf = (Plugin) => ({
    lifecycle: lifecycleOf(Plugin),
    decide: {
        open(info) {
            guarded(() => current.plugin.open(info));
        },
        decide(operation) {
            return guarded(() => {
                const { verdict, findings, tags, reusable, forAnyText } = current.plugin.decide(operation);
                return { verdict, findings, tags, reusable: reusable === true, forAnyText: forAnyText === true };
            });
        },
    },
});
