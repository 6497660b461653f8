// Runs a script of requests with Node's own fetch, and prints what came of each.
//
//   node fetch.mjs URL AUTHORIZATION < script.json

import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";

const [base, authorization] = process.argv.slice(2);
const results = [];
for (const { path, method = "GET", headers = {}, body } of JSON.parse(await text(process.stdin))) {
  const own = authorization ? { authorization } : {};
  const answer = await fetch(base + path, { method, headers: { ...headers, ...own }, body });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const { pathname, search } = new URL(answer.url);
  results.push({
    status: answer.status,
    url: pathname + search,
    headers: [...answer.headers],
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
}
console.log(JSON.stringify(results));
