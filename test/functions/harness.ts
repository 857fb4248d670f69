import { once } from 'node:events';
import { createServer, request as send, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { http as register } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { keepParsersAway } from '../../functions/body.ts';
import { keepDomainsAway } from '../../functions/domains.ts';
import type { HttpFunction } from '../../functions/http.ts';
import { type FunctionName, wire } from '../../functions/wiring.ts';
import {
  commonConfig,
  type Distributor,
  type DistributorType,
  type TaskDescription,
} from '../../shared/adapters/contract.ts';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { typeTable } from '../../shared/adapters/registry.ts';
import { readStatus } from '../../shared/adapters/status-message.ts';
import type { QueueTask, Store, TopicMessage } from '../../shared/core/ports.ts';
import { running } from '../../shared/core/result.ts';
import { openDatabase } from '../../shared/embedded/database.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { realClock, recordingLog } from '../support/services.ts';

/** How a function is served: as on one machine, and by the framework that serves it when it is deployed. */
export const SERVERS = {
  'node:http': (_name: string, handler: HttpFunction) =>
    createServer((request, response) => void handler(request, response)),
  'functions-framework': (name: string, handler: HttpFunction) => {
    keepParsersAwayOnce();
    keepDomainsAway();
    register(name, handler);
    return getTestServer(name);
  },
} as const satisfies Record<string, (name: string, handler: HttpFunction) => Server>;
export type ServedBy = keyof typeof SERVERS;
export const SERVED_BY = Object.keys(SERVERS) as ServedBy[];

let areParsersAway = false;
function keepParsersAwayOnce(): void {
  if (!areParsersAway) keepParsersAway();
  areParsersAway = true;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The text as JSON; its parts are asserted on, not relied upon. */
  json: never;
}

export interface CallOptions {
  /** A string or bytes are sent as they are, anything else as JSON. */
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  /** Sent without a length, in pieces. */
  chunked?: boolean;
}

/** The five functions over one engine, with a queue and a topic that only record. */
export async function setUp(
  servedBy: ServedBy,
  { local = true, script = {} }: { local?: boolean; script?: Partial<Distributor> } = {},
) {
  const tasks: QueueTask[] = [];
  const messages: TopicMessage[] = [];
  const launched: TaskDescription[] = [];
  const log = recordingLog();
  const { store, outage } = breakableStore();
  const types = typeTable([scriptedType(launched, script)]);
  const distributors = parseDistributors({ main: { type: 'scripted' }, nickname: { alias: 'main' } }, types);
  const { functions } = wire(
    {
      store,
      queue: { enqueue: async task => void tasks.push(task) },
      topic: { name: 'projects/p/topics/t', publish: async message => void messages.push(message) },
      clock: realClock,
      random: { fraction: () => 0.5, token: bytes => 'n'.repeat(bytes) },
      log,
      http: { request: ({ url }) => Promise.reject(new Error(`unexpected call: ${url}`)) },
      keyring: { current: 'k1', keys: { k1: Buffer.alloc(32, 1) } },
      types,
      distributors,
      jobUrl: 'http://127.0.0.1:1',
      secret: reference => {
        throw new Error(`unexpected secret: ${reference}`);
      },
      accessToken: scope => Promise.reject(new Error(`unexpected access token: ${scope}`)),
    },
    { log, local },
  );
  const ports = new Map<FunctionName, Promise<number>>();

  async function portOf(name: FunctionName): Promise<number> {
    const server = SERVERS[servedBy](name, functions[name]);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  /** @param target As `POST /v1/graph:ensure`. */
  async function call(name: FunctionName, target: string, options: CallOptions = {}): Promise<Answer> {
    const port = ports.get(name) ?? portOf(name);
    ports.set(name, port);
    return exchange(await port, target, options);
  }

  /** Submits a quest. */
  async function ensure(parameters: object = {}, desc: object = {}): Promise<string> {
    const quests = [{ desc: { distributorConfigName: 'main', parameters, ...desc } }];
    const { json } = await call('api', 'POST /v1/graph:ensure', { body: { quests } });
    return (json as { questIds: string[] }).questIds[0]!;
  }

  /** Delivers the oldest task. */
  function deliver(headers: Record<string, string> = {}): Promise<Answer> {
    const task = tasks.shift();
    if (task === undefined) throw new Error('there is no task');
    return call('tasks', `POST /${task.path}`, { body: task.body, headers });
  }

  /** Submits a quest and has its first execution launched. */
  async function launch(parameters: object = {}, desc: object = {}) {
    const quest = await ensure(parameters, desc);
    await deliver();
    const task = launched.at(-1)!;
    const attempt = `/v1/quests/${quest}/attempts/1`;
    return { quest, attempt, execution: `${attempt}/executions/1`, task, ...task.prepareTopic().attributes };
  }

  /** What Pub/Sub would post, for the notification topic or the own topic of a distributor. */
  function push({ data, attributes }: { data?: string; attributes?: object }, path = '/'): Promise<Answer> {
    const message = { messageId: '1', publishTime: '2026-11-24T00:00:00Z', ...(attributes && { attributes }) };
    const encoded = data === undefined ? {} : { data: Buffer.from(data).toString('base64') };
    return call('notify', `POST ${path}`, { body: { message: { ...message, ...encoded }, subscription: 's' } });
  }

  async function stateOf(attempt: string): Promise<string> {
    return ((await call('api', `GET ${attempt}`)).json as { state: string }).state;
  }

  return { call, ensure, deliver, launch, push, stateOf, tasks, messages, launched, log, outage };
}

/** A store whose reads fail while there is an outage. */
function breakableStore(): { store: Store; outage: { error?: unknown } } {
  const database = openDatabase(':memory:');
  onTestFinished(() => database.close());
  const store = createStore(database);
  const outage: { error?: unknown } = {};
  return {
    outage,
    store: {
      ...store,
      get: (kind, id) => ('error' in outage ? Promise.reject(outage.error) : store.get(kind, id)),
    },
  };
}

const unexpected = (operation: string) => () => Promise.reject(new Error(`unexpected call of ${operation}`));

/** A distributor of which a test scripts what it cares about; nothing else may be called. */
function scriptedType(launched: TaskDescription[], script: Partial<Distributor>): DistributorType {
  return {
    type: 'scripted',
    modes: ['unattended', 'interactive'],
    configSchema: z.strictObject(commonConfig),
    create: () => ({
      async run(task) {
        launched.push(task);
        return { token: `job of ${task.executionId}`, status: running() };
      },
      cancel: unexpected('cancel'),
      getStatus: unexpected('getStatus'),
      handleTaskQueueTask: unexpected('handleTaskQueueTask'),
      handleNotification: async ({ data }) => readStatus(data),
      infoUrl: token => `https://executor.example/${encodeURIComponent(token)}`,
      validate: () => {},
      ...script,
    }),
  };
}

async function exchange(port: number, target: string, { body, token, headers, chunked }: CallOptions): Promise<Answer> {
  const [method = '', path = ''] = target.split(' ');
  const raw = typeof body === 'string' || body instanceof Uint8Array || body === undefined;
  const bytes = raw ? Buffer.from(body ?? '') : Buffer.from(JSON.stringify(body));
  const outgoing = send({
    port,
    host: '127.0.0.1',
    method,
    path,
    agent: false,
    headers: {
      ...(method !== 'GET' && { 'content-type': 'application/json' }),
      ...(method !== 'GET' && !chunked && { 'content-length': String(bytes.length) }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  outgoing.on('error', reject);
  outgoing.on('response', response => {
    const chunks: Buffer[] = [];
    response.on('error', reject);
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const isJson = response.headers['content-type']?.startsWith('application/json');
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text,
        json: (isJson ? JSON.parse(text) : undefined) as never,
      });
    });
  });
  for (let at = 0; at < bytes.length; at += 64 * 1024) outgoing.write(bytes.subarray(at, at + 64 * 1024));
  outgoing.end();
  return promise;
}

/** An error as the outside sees it. */
export function errorOf(code: number, status: string, message: unknown) {
  return { status: code, json: { error: { code, status, message } } };
}
