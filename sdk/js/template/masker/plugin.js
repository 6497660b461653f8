import { Edits, Masker } from "weir-sdk";

export class Plugin extends Masker {
    static pluginName = "{{name}}";
    static description = "Hides salaries";

    plan(_shape, columns, _operation) {
        // `source` is the column's name in its table, whatever the query calls it.
        const wanted = columns.flatMap((column, index) => (column.source === "salary" ? [index] : []));
        return { wanted, rules: ["salary"], reusable: true };
    }

    mask(_shape, values) {
        const edits = new Edits();
        for (const [cell] of values) {
            edits.null(cell, 0);
        }
        return edits;
    }
}
