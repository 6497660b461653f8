// Salaries become NULL, and of an e-mail address its domain stays.

import { Edits, Masker } from "weir-sdk";

const RULES = ["salary", "email"];
const [SALARY, EMAIL] = [0, 1];
const AT = "@".codePointAt(0);

export class Plugin extends Masker {
    static pluginName = "hide-salaries";
    static description = "Hides salaries and the names in e-mail addresses";
    /** Of each shape: the rule of each column, -1 for none. */
    #rules = new Map();

    plan(shape, columns, _operation) {
        const rules = columns.map((column) => RULES.indexOf(column.source));
        this.#rules.set(shape, rules);
        return { wanted: rules.flatMap((rule, index) => (rule < 0 ? [] : [index])), rules: RULES, reusable: true };
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
