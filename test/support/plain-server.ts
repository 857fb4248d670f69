import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo, Server as TcpServer } from 'node:net';

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

/** Starts a server of answers; whoever does so has to end it. */
export type Serve<S extends TestServer = TestServer> = (
  answer: (request: ReceivedRequest) => Answer | Promise<Answer>,
) => Promise<S>;

/** A loopback HTTP server that ends when it is closed, also outside of a test. */
export const servePlain: Serve<TestServer & { close(): void }> = async answer => {
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
  const host = await listenOnLoopback(server);
  return {
    url: `http://${host}`,
    host,
    requests,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
};

/** Resolves with `127.0.0.1:PORT`. */
export async function listenOnLoopback(server: TcpServer): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
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
