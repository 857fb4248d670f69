import type { Server as TcpServer } from 'node:net';
import { onTestFinished } from 'vitest';
import {
  type Answer,
  listenOnLoopback,
  type ReceivedRequest,
  type Serve,
  servePlain,
  type TestServer,
} from './plain-server.ts';

export type { Answer, ReceivedRequest, TestServer };

/** A loopback HTTP server that ends with the test. */
export const serve: Serve = async answer => {
  const { close, ...server } = await servePlain(answer);
  onTestFinished(close);
  return server;
};

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
  const host = await listenOnLoopback(server);
  onTestFinished(() => void server.close());
  return host;
}
