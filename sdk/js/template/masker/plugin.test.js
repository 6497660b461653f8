import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "weir-sdk";
import { Plugin } from "./plugin.js";

test("salaries become NULL whatever they are called", () => {
    const plugin = new Plugin();
    const columns = [{ name: "id", source: "id" }, { name: "x", source: "salary" }];
    assert.deepEqual(plugin.plan(1, columns, {}).wanted, [1]);
    assert.deepEqual(plugin.mask(1, Batch.of([1, "4100"], [1, "5200"])).nulls, [0, 1]);
});
