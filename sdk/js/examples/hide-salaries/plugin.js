// Salaries become NULL, and of an e-mail address its domain stays.

import { Edits, Masker } from "weir-sdk";

const RULES = ["salary", "email"];
const [SALARY, EMAIL] = [0, 1];
const AT = "@".charCodeAt(0);

export class Plugin extends Masker {
    static pluginName = "hide-salaries";
    static description = "Hides salaries and the names in e-mail addresses";
    /** Of each shape: the rule of each column, -1 for none. */
    #rules = new Map();

    plan(shape, columns, _operation) {
        const rules = columns.map((column) => RULES.indexOf(column.source));
        this.#rules.set(shape, rules);
        const indices = (is) => rules.flatMap((rule, index) => (is(rule) ? [index] : []));
        // Of what has no sign of an address in it nothing is hidden, so it need not be sent.
        const signs = { columns: indices((rule) => rule === EMAIL), bytes: [AT], settled: true };
        return { wanted: indices((rule) => rule >= 0), rules: RULES, reusable: true, signs };
    }

    mask(shape, values) {
        const edits = new Edits();
        const rules = this.#rules.get(shape);
        for (let cell = 0; cell < values.ends.length; cell++) {
            if (rules[values.columns[cell]] === SALARY) {
                edits.null(cell, SALARY);
                continue;
            }
            const at = values.bytes(cell).lastIndexOf(AT);
            if (at > 0) {
                edits.replace(cell, 0, at, "***", EMAIL);
            }
        }
        return edits;
    }
}
