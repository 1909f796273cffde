// The platform as the network edge gives it: in front of the local server, with everything compressed.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after } from 'node:test';
import { gzipSync } from 'node:zlib';

const GONE = new Set(['content-encoding', 'content-length', 'transfer-encoding', 'connection', 'strict-transport-security']);

/** Where the compressed copy of `target` is. It ends with the test file. */
export async function compressed(target: string): Promise<string> {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _, connection: __, ...headers } = request.headers;
    const answer = await fetch(new URL(request.url ?? '/', target), {
      method: request.method, headers: headers as Record<string, string>, redirect: 'manual', ...(chunks.length && { body: Buffer.concat(chunks) }),
    });
    const kept = [...answer.headers].filter(([name]) => !GONE.has(name));
    const body = gzipSync(Buffer.from(await answer.arrayBuffer()));
    response.writeHead(answer.status, [...kept, ['content-encoding', 'gzip']].flat());
    response.end(body);
  };
  // Whoever closed a page does not wait for its answers.
  const server = createServer((request, response) => void pass(request, response).catch(() => response.destroy()));
  after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}
