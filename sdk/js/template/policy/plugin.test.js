import assert from "node:assert/strict";
import { test } from "node:test";
import { Plugin } from "./plugin.js";

function verdict(kind, table) {
    const plugin = new Plugin();
    plugin.open({ who: { id: "ann", kind, groups: [], attributes: [] } });
    const text = `select * from ${table}`;
    return plugin.decide({ kind: "sql.query", action: "read", text, objects: [table], parameters: [], attributes: [] }).verdict.tag;
}

test("keys are not for agents", () => {
    assert.equal(verdict("agent", "public.api_keys"), "deny");
    assert.equal(verdict("human", "public.api_keys"), "abstain");
    assert.equal(verdict("agent", "public.orders"), "abstain");
});
