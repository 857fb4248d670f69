import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo, Server as TcpServer } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ReceivedRequest {
  method: string;
  /** Path and query. */
  path: string;
  headers: Record<string, string | undefined>;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: string | object;
  /** Instead of an answer: the connection is reset, or nothing comes. */
  cut?: 'reset' | 'silent';
}

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  url: string;
  /** `127.0.0.1:PORT` */
  host: string;
  requests: ReceivedRequest[];
}

/** A loopback HTTP server that ends with the test. */
export async function serve(answer: (request: ReceivedRequest) => Answer | Promise<Answer>): Promise<TestServer> {
  const requests: ReceivedRequest[] = [];
  async function respond(incoming: http.IncomingMessage, outgoing: http.ServerResponse): Promise<void> {
    const request = await receive(incoming);
    requests.push(request);
    const { status = 200, headers = {}, body = '', cut } = await answer(request);
    if (cut === 'reset') incoming.socket.destroy();
    if (cut !== undefined) return;
    outgoing.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  const server = http.createServer((incoming, outgoing) => void respond(incoming, outgoing));
  const host = await listen(server);
  onTestFinished(() => server.closeAllConnections());
  return { url: `http://${host}`, host, requests };
}

/** Takes deliveries: answers 200 when `accept` resolves, 503 when it rejects. */
export function serveDeliveries(accept: (request: ReceivedRequest) => Promise<void>): Promise<TestServer> {
  return serve(request =>
    accept(request).then(
      () => ({ status: 200 }),
      () => ({ status: 503 }),
    ),
  );
}

/** Listens on a free loopback port until the test ends. */
export async function listen(server: TcpServer): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function receive(incoming: http.IncomingMessage): Promise<ReceivedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { method = '', url = '', headers } = incoming;
  return {
    method,
    path: url,
    headers: headers as Record<string, string | undefined>,
    body: Buffer.concat(chunks).toString(),
  };
}
