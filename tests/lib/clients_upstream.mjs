// What clients are compared against: one server, three ways to speak to it (HTTP/1.1, HTTP/2 in the clear, and TLS with
// ALPN for both). Prints its ports as one line of JSON, and ends with its standard input.
//
//   node clients_upstream.mjs [CERTIFICATE KEY]

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import zlib from "node:zlib";

// With odd spaces, escapes and numbers, so that whoever writes JSON anew is found out.
const JSON_TEXT = Buffer.from('{ "items" : [ {"sku":"A-1","price":1.10,"n":1E2},\r\n\t{"sku":"caf\\u00E9","price":-0.0,"big":12345678901234567890} ] , "ok":true }\n');
const FILE = Buffer.from(Array.from({ length: 100000 }, (_, at) => (at * 7919 + (at >> 8)) & 0xff));
const PIECE = Buffer.from(Array.from({ length: 1 << 16 }, (_, at) => (at * 31 + (at >> 7)) & 0xff));
const ETAG = '"abc-1"';
const streams = new Map();
const told = { uploads: [], broken: [] };

function whole(answer, status, body, headers = {}, bodiless = false) {
  answer.writeHead(status, { "content-length": body.length, ...headers });
  answer.end(bodiless ? undefined : body);
}

const json = (answer, value, status = 200, headers = {}) =>
  whole(answer, status, Buffer.from(JSON.stringify(value)), { "content-type": "application/json", ...headers });

/** Reads all of a request without keeping it. */
async function digested(request) {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of request) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest("hex"), trailers: { ...request.trailers } };
}

async function write(answer, piece) {
  if (answer.write(piece)) return;
  await new Promise((done) => {
    answer.once("drain", done);
    answer.once("close", done);
  });
}

const routes = {
  json: (request, answer) => whole(answer, 200, JSON_TEXT, { "content-type": "application/json", etag: ETAG, vary: "accept" }, request.method === "HEAD"),

  /** Fresh or not, whole or in part. */
  file(request, answer) {
    if (request.headers["if-none-match"] === ETAG) {
      answer.writeHead(304, { etag: ETAG, "cache-control": "max-age=5" });
      return answer.end();
    }
    const headers = { "content-type": "application/octet-stream", etag: ETAG, "accept-ranges": "bytes" };
    const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
    if (!range) return whole(answer, 200, FILE, headers, request.method === "HEAD");
    const from = range[1] ? Number(range[1]) : FILE.length - Number(range[2]);
    const to = range[1] && range[2] ? Math.min(Number(range[2]), FILE.length - 1) : FILE.length - 1;
    if (from > to) return whole(answer, 416, Buffer.alloc(0), { "content-range": `bytes */${FILE.length}` });
    whole(answer, 206, FILE.subarray(from, to + 1), { ...headers, "content-range": `bytes ${from}-${to}/${FILE.length}` });
  },

  /** 204 with what preflights ask for. */
  empty(_request, answer) {
    answer.writeHead(204, { etag: ETAG, allow: "GET, OPTIONS", "access-control-allow-methods": "GET, PUT" });
    answer.end();
  },

  /** When all of the request is there: some clients that are answered early over HTTP/2 take it for a failure. */
  async status(request, answer, [code]) {
    await digested(request);
    json(answer, { status: Number(code) }, Number(code), { "retry-after": "7" });
  },

  cookies: (request, answer) =>
    json(answer, { cookie: request.headers.cookie ?? null }, 200, { "set-cookie": ["a=1; Path=/; HttpOnly", "b=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT"] }),

  /** So many steps to `/seen`. */
  async redirect(request, answer, [code, steps]) {
    await digested(request);
    answer.writeHead(Number(code), { location: Number(steps) > 1 ? `/redirect/${code}/${steps - 1}` : "/seen?from=there", "content-length": 0 });
    answer.end();
  },

  /** What came of a request. */
  async seen(request, answer) {
    const { method, url, headers } = request;
    const names = ["accept", "content-type", "content-length", "x-own", "x-empty", "x-latin", "range", "if-none-match", "cookie", "content-encoding"];
    // HTTP/2 has no word for an empty body, HTTP/1.1 has one: it says nothing.
    const told = (name) => headers[name] !== undefined && !(name === "content-length" && headers[name] === "0");
    const own = Object.fromEntries(names.filter(told).map((name) => [name, headers[name]]));
    json(answer, { method, url, own, ...(await digested(request)) });
  },

  compressed(request, answer, [coding]) {
    const body = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync, deflate: zlib.deflateSync }[coding](JSON_TEXT);
    whole(answer, 200, body, { "content-type": "application/json", "content-encoding": coding, etag: ETAG, digest: "sha-256=abc" });
  },

  async chunked(_request, answer) {
    answer.writeHead(200, { "content-type": "text/plain" });
    for (let at = 0; at < 20; at++) await write(answer, `piece ${at}\n`);
    answer.end();
  },

  async trailers(_request, answer) {
    answer.writeHead(200, { "content-type": "text/plain", trailer: "x-checksum, x-count" });
    await write(answer, "one\n");
    await write(answer, "two\n");
    answer.addTrailers({ "x-checksum": "abc", "x-count": "2" });
    answer.end();
  },

  /** What was not read to its end is in `/told`. */
  async upload(request, answer) {
    try {
      const came = await digested(request);
      told.uploads.push(came);
      json(answer, came, 201);
    } catch (error) {
      told.broken.push(String(error.code ?? error));
    }
  },

  told: (_request, answer) => json(answer, told),

  async download(_request, answer, _rest, query) {
    answer.writeHead(200, { "content-type": "application/octet-stream", ...(query.has("length") ? { "content-length": query.get("bytes") } : {}) });
    for (let left = Number(query.get("bytes")); left > 0 && !answer.destroyed; left -= PIECE.length) await write(answer, PIECE.subarray(0, Math.min(left, PIECE.length)));
    answer.end();
  },

  /** Each piece back as it came, in capitals, while the request goes on. */
  async shout(request, answer) {
    answer.writeHead(200, { "content-type": "application/octet-stream" });
    answer.flushHeaders?.();
    for await (const piece of request) await write(answer, piece.toString().toUpperCase());
    answer.end();
  },

  /** Server-sent events: those that are given to `/say`. */
  events(request, answer, [name]) {
    answer.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    answer.write(`: after ${request.headers["last-event-id"] ?? "nothing"}\n\n`);
    streams.set(name, answer);
  },

  async say(request, answer, [name]) {
    for await (const piece of request) streams.get(name).write(piece);
    json(answer, { said: true });
  },

  hush(_request, answer, [name]) {
    streams.get(name).end();
    json(answer, { hushed: true });
  },
};

async function serve(request, answer) {
  // What breaks off is told by whoever reads it.
  request.on("error", () => {});
  answer.on("error", () => {});
  const url = new URL(request.url, "http://upstream");
  const [name, ...rest] = url.pathname.slice(1).split("/");
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (route) await route(request, answer, rest, url.searchParams);
  else json(answer, { error: "there is nothing here" }, 404);
}

/** Says no before the body comes, or asks for it. */
function asked(request, answer) {
  if (request.url === "/refused") {
    answer.writeHead(417, { "content-length": 0, connection: "close" });
    return answer.end();
  }
  answer.writeContinue();
  return serve(request, answer);
}

const [certificate, key] = process.argv.slice(2);
const servers = { one: http.createServer({ requestTimeout: 0 }, serve), two: http2.createServer(serve) };
if (certificate) servers.tls = http2.createSecureServer({ allowHTTP1: true, cert: readFileSync(certificate), key: readFileSync(key) }, serve);
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  server.on("checkContinue", asked);
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  ports[name] = server.address().port;
}
console.log(JSON.stringify(ports));
process.stdin.on("end", () => process.exit()).resume();
