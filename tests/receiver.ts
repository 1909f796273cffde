// A small server on loopback that writes down what it is sent: organisers' endpoints, key sets.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  at: number;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** What it answers, at once or later; 204 without a body unless set. */
  respond: (request: Received) => Response | Promise<Response>;
}

interface Response {
  status: number;
  json?: unknown;
}

/** Starts one; it ends with the test file. */
export async function receive(): Promise<Receiver> {
  const receiver: Receiver = { url: '', received: [], respond: () => ({ status: 204 }) };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const body = Buffer.concat(chunks).toString();
      const received: Received = { path: request.url ?? '', headers: request.headers, body, at: Date.now() };
      receiver.received.push(received);
      const { status, json } = await receiver.respond(received);
      response.writeHead(status, json === undefined ? {} : { 'content-type': 'application/json' });
      response.end(json === undefined ? undefined : JSON.stringify(json));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return receiver;
}
