// The official TypeScript SDK against the server "everything": URL and authorization are arguments, the answers are printed.
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { CreateMessageRequestSchema } = require("@modelcontextprotocol/sdk/types.js");

async function main([url, authorization]) {
  const asked = [];
  const steps = [];
  const client = new Client({ name: "typescript", version: "1" }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, async (request) => {
    asked.push(request.params.messages[0].content.text.replace(/^.*context: /s, ""));
    return { model: "m", role: "assistant", content: { type: "text", text: "la la" } };
  });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization } } });
  await client.connect(transport);
  await client.listTools();
  const echo = await client.callTool({ name: "echo", arguments: { message: "hello" } });
  const onprogress = (progress) => steps.push(progress.progress);
  await client.callTool({ name: "trigger-long-running-operation", arguments: { duration: 0.3, steps: 3 } }, undefined, { onprogress });
  const sampled = await client.callTool({ name: "trigger-sampling-request", arguments: { prompt: "Sing", maxTokens: 10 } });
  await transport.terminateSession();
  await client.close();
  console.log(JSON.stringify({ echo: echo.content[0].text, steps, asked, sampled: JSON.stringify(sampled) }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
