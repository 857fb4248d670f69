import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';

/** Where the samples expect the service. */
export const SAMPLE_SERVICE_URL = 'http://127.0.0.1:8090';

const RENDERING_MS = 1500;
const NOTIFY_TRIES = 5;

export interface Service {
  url: string;
  close(): void;
}

/** A service as anybody could have one: `/count` answers at once, `/render` accepts and answers by a notification. */
export async function startService(port: number): Promise<Service> {
  const stopped = new AbortController();
  /** A call that is repeated with the same key is the same rendering. */
  const renderings = new Map<string, string>();

  async function answer(request: IncomingMessage): Promise<{ status: number; body: JsonObject }> {
    const parameters = JSON.parse(await readText(request)) as JsonObject;
    if (request.url === '/count') return { status: 200, body: count(parameters) };
    if (request.url !== '/render') return { status: 404, body: { message: 'there are /count and /render' } };
    const key = headerOf(request, 'idempotency-key');
    let token = renderings.get(key);
    if (token === undefined) {
      token = `rendering-${renderings.size + 1}`;
      renderings.set(key, token);
      void render(parameters, headerOf(request, 'x-notify-url'), headerOf(request, 'x-auth-token'), stopped.signal);
    }
    return { status: 202, body: { token } };
  }

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => response.writeHead(status, JSON_TYPE).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(400, JSON_TYPE).end(JSON.stringify({ message: messageOf(error) })),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      stopped.abort();
      server.close();
      server.closeAllConnections();
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

function count({ text = '' }: JsonObject): JsonObject {
  if (typeof text !== 'string') throw new Error('text: must be text');
  return { words: text.split(/\s+/).filter(word => word !== '').length, characters: text.length };
}

async function render(parameters: JsonObject, notifyUrl: string, token: string, signal: AbortSignal): Promise<void> {
  const { scene = null, frames = 0 } = parameters;
  const data = { scene, frames, pixels: Number(frames) * 1920 * 1080 };
  const body = JSON.stringify({ state: 'finished', result: { data } });
  const headers = { ...JSON_TYPE, authorization: `Bearer ${token}` };
  for (let tries = 0; tries < NOTIFY_TRIES && !signal.aborted; tries++) {
    try {
      await sleep(RENDERING_MS, undefined, { signal });
      const response = await fetch(notifyUrl, { method: 'POST', headers, body, signal });
      if (response.ok) return;
    } catch {
      // Stopped, or the distributor is down for the moment.
    }
  }
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  if (typeof value !== 'string') throw new Error(`the header ${name} is missing`);
  return value;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

if (import.meta.main) {
  const { url } = await startService(Number(new URL(SAMPLE_SERVICE_URL).port));
  console.log(`listening on ${url}; stop with Ctrl-C`);
}
