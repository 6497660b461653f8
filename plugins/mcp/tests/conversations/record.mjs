// Records what the official TypeScript SDK and its server "everything" say to each other over streamable HTTP:
//
//   npm install @modelcontextprotocol/sdk @modelcontextprotocol/server-everything
//   PORT=8931 npx mcp-server-everything streamableHttp &
//   node record.mjs http://127.0.0.1:8931/mcp > everything.json
//
// Each exchange is written as the inspector sees it: the request's head and body, the answer's head and body.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
    CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

const url = new URL(process.argv[2]);
const exchanges = [];
const open = [];

async function recorded(input, init = {}) {
    const headers = new Headers(init.headers);
    const exchange = {
        method: init.method ?? "GET",
        headers: [...headers],
        body: init.body ?? null,
        status: 0,
        answer_headers: [],
        answer: "",
    };
    exchanges.push(exchange);
    const answer = await fetch(input, init);
    exchange.status = answer.status;
    exchange.answer_headers = [...answer.headers].filter(([name]) => /^(content-type|mcp-)/.test(name));
    if (!answer.body) return answer;
    const [ours, theirs] = answer.body.tee();
    open.push((async () => {
        try {
            for await (const piece of ours.pipeThrough(new TextDecoderStream())) exchange.answer += piece;
        } catch {}
    })());
    return new Response(theirs, { status: answer.status, headers: answer.headers });
}

const client = new Client(
    { name: "recorder", version: "1.0.0" },
    { capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} } },
);
client.setRequestHandler(CreateMessageRequestSchema, () => (
    { model: "none", role: "assistant", content: { type: "text", text: "Ann's answer" } }));
client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Ann" } }));
client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///home/ann", name: "home" }] }));
const transport = new StreamableHTTPClientTransport(url, { fetch: recorded });
await client.connect(transport);
const attempt = async (what) => { try { await what; } catch (error) { console.error(String(error)); } };
const { tools } = await client.listTools();
console.error(tools.map((tool) => tool.name).join(" "));
const call = (name, args = {}, options = {}) =>
    attempt(client.callTool({ name, arguments: args }, undefined, { timeout: 20000, ...options }));
await call("echo", { message: "hello ann@example.com" });
await call("get-sum", { a: 2, b: "x" });
await call("get-sum", { a: 2, b: 40 });
await call("get-structured-content", { location: "New York" });
await call("get-annotated-message", { messageType: "error", includeImage: true });
await call("get-resource-reference", { resourceType: "Text", resourceId: 1 });
await call("trigger-long-running-operation", { duration: 1, steps: 2 }, { onprogress: () => {} });
await call("trigger-sampling-request", { prompt: "Who is it?", maxTokens: 10 });
await call("trigger-elicitation-request");
await call("get-roots-list");
await call("no-such-tool");
const { resources } = await client.listResources();
await attempt(client.listResourceTemplates());
await attempt(client.readResource({ uri: resources[0].uri }));
await attempt(client.readResource({ uri: "demo://resource/dynamic/blob/1" }));
await attempt(client.listPrompts());
await attempt(client.getPrompt({ name: "args-prompt", arguments: { city: "Paris", state: "Texas" } }));
await attempt(client.getPrompt({ name: "no-such-prompt" }));
await attempt(client.ping());
await attempt(transport.terminateSession());
await client.close();
await Promise.race([Promise.all(open), new Promise((done) => setTimeout(done, 500))]);
console.log(JSON.stringify(exchanges, null, 1));
process.exit(0);
