import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Interval } from '../instance-time.ts';

export interface HttpMeter {
  url: string;
  /** Requests since the last reset. */
  readonly requests: number;
  readonly inFlight: number;
  /** The most that were in flight at once since the last reset. */
  readonly peak: number;
  /** When at least one request was in flight, in milliseconds of `performance.now`, ended ones only. */
  readonly busy: readonly Interval[];
  reset(): void;
  close(): void;
}

/** Stands in front of a function and counts the requests that reach it; it passes everything on unchanged. */
export async function startHttpMeter(target: string): Promise<HttpMeter> {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' });
  let requests = 0;
  let inFlight = 0;
  let peak = 0;
  let busySince = 0;
  let busy: Interval[] = [];

  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    requests += 1;
    if (inFlight++ === 0) busySince = performance.now();
    peak = Math.max(peak, inFlight);
    response.once('close', () => {
      if (--inFlight === 0) busy.push({ from: busySince, to: performance.now() });
    });
    const { method, headers } = incoming;
    const outgoing = request(new URL(incoming.url ?? '/', target), { agent, method, headers }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.once('error', () => response.destroy());
    response.once('close', () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    get inFlight() {
      return inFlight;
    },
    get peak() {
      return peak;
    },
    get busy() {
      return busy;
    },
    reset() {
      requests = 0;
      peak = inFlight;
      busy = [];
    },
    close() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
