// The official TypeScript SDK calls `pay` and takes the call back while it waits: URL, authorization and amount are arguments.
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

async function main([url, authorization, amount]) {
  const client = new Client({ name: "typescript", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization } } });
  await client.connect(transport);
  await client.listTools();
  const taken = new AbortController();
  // The gateway says by progress that a person is asked.
  const onprogress = () => taken.abort("changed my mind");
  const call = client.callTool({ name: "pay", arguments: { amount: Number(amount) } }, undefined, { onprogress, signal: taken.signal });
  const cancelled = await call.then(() => false, () => true);
  const after = await client.callTool({ name: "find", arguments: { name: "Maria" } });
  await transport.terminateSession();
  await client.close();
  console.log(JSON.stringify({ cancelled, after: !after.isError }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
