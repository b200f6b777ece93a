// A tiny HTTP server for the outside world: a model provider, or the replies our server cannot be made to give.

import { once } from "node:events";
import { createServer } from "node:http";

/** Answers with `stub.reply(method, path, body)` -> [status, payload, headers?]; keeps what it was asked. */
export async function serve(reply, port = 0) {
  const stub = { reply, requests: [] };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = text ? JSON.parse(text) : null;
    stub.requests.push({ method: request.method, path: request.url, body, headers: request.headers });
    const [status, payload, headers = {}] = stub.reply(request.method, request.url, body);
    // No kept connection: the client would use it on the next stand-in, where it is dead.
    response.writeHead(status, { "Content-Type": "application/json", Connection: "close", ...headers });
    response.end(JSON.stringify(payload));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  stub.port = server.address().port;
  stub.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return stub;
}
