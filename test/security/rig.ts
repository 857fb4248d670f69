import { createServer } from 'node:http';
import { onTestFinished } from 'vitest';
import { systemRandom } from '../../functions/system.ts';
import { FUNCTION_NAMES, type FunctionName, wire } from '../../functions/wiring.ts';
import type { DistributorType } from '../../shared/adapters/contract.ts';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { typeTable } from '../../shared/adapters/registry.ts';
import type { Execution } from '../../shared/core/execution.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { QueueTask, TopicMessage } from '../../shared/core/ports.ts';
import type { Keyring } from '../../shared/core/tokens.ts';
import { openDatabase } from '../../shared/embedded/database.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { localHttp } from '../support/http-adapter.ts';
import { listen } from '../support/http-server.ts';
import { fakeServices, manualClock, recordingLog } from '../support/services.ts';
import { send } from '../support/stack.ts';

export interface RigOptions {
  types: readonly DistributorType[];
  distributors: Record<string, unknown>;
  keyring: Keyring;
  secret?: (reference: string) => string;
}

export interface CallOptions {
  token?: string | undefined;
  headers?: Record<string, string>;
  /** Text is sent as it is, anything else as JSON. */
  body?: unknown;
}

export interface Answer {
  status: number;
  body: { outcome?: string };
}

export type Rig = Awaited<ReturnType<typeof createRig>>;

/** The functions over HTTP, the engine and the store of one machine; time, queue and topic are in the test's hands. */
export async function createRig({ types, distributors, keyring, secret = fakeServices().secret }: RigOptions) {
  const database = openDatabase(':memory:');
  onTestFinished(() => database.close());
  const store = createStore(database);
  const clock = manualClock();
  const log = recordingLog();
  const tasks: QueueTask[] = [];
  const taskNames = new Set<string>();
  const messages: TopicMessage[] = [];
  const urls = {} as Record<FunctionName, string>;
  let functions: ReturnType<typeof wire>['functions'];

  for (const name of FUNCTION_NAMES) {
    const server = createServer((request, response) => void functions[name](request, response));
    urls[name] = `http://${await listen(server)}`;
  }

  /** Another instance, with other keys. */
  function restart(keys: Keyring): void {
    const table = typeTable(types);
    const options = {
      store,
      queue: {
        async enqueue(task: QueueTask) {
          if (task.name !== undefined && taskNames.has(task.name)) return;
          if (task.name !== undefined) taskNames.add(task.name);
          tasks.push(task);
        },
      },
      topic: {
        name: 'projects/p/topics/t',
        publish: async (message: TopicMessage) => void messages.push(message),
      },
      clock: {
        now: clock.now,
        sleep: (milliseconds: number) => (milliseconds === 0 ? Promise.resolve() : clock.sleep(milliseconds)),
      },
      random: { fraction: () => 0, token: systemRandom.token },
      log,
      http: localHttp,
      keyring: keys,
      types: table,
      distributors: parseDistributors(distributors, table),
      jobUrl: urls.job,
      secret,
      accessToken: fakeServices().accessToken,
    };
    functions = wire(options, { log, local: true }).functions;
  }
  restart(keyring);

  /** @param target As `POST /v1/graph:ensure`. */
  function call(name: FunctionName, target: string, { token, headers = {}, body }: CallOptions = {}) {
    const [method = '', path = ''] = target.split(' ');
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return send<Answer['body']>(`${urls[name]}${path}`, {
      method,
      headers: { ...authorization, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** Calls the `job` function about one execution. */
  function job(verb: 'activate' | 'ensureGraphData' | 'finish' | 'notify', id: ExecutionId, options: CallOptions) {
    return call('job', `POST ${executionPath(id)}:${verb}`, options);
  }

  /** What Pub/Sub would post, for the notification topic or the own topic of a distributor. */
  function push({ data, attributes }: TopicMessage, path = '/') {
    const message = { data: Buffer.from(data).toString('base64'), attributes };
    return call('notify', `POST ${path}`, { body: { message } });
  }

  async function submit(desc: object, attempts = [1]): Promise<string> {
    const { status, body } = await call('api', 'POST /v1/graph:ensure', { body: { quests: [{ desc, attempts }] } });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return (body as { questIds: string[] }).questIds[0]!;
  }

  /** Delivers what is due, until nothing is. What is refused does not come again: the sweep makes up for it. */
  async function settle(): Promise<void> {
    for (;;) {
      const message = messages.shift();
      const index = message === undefined ? tasks.findIndex(({ at = 0 }) => at <= clock.now()) : -1;
      if (message !== undefined) await push(message);
      else if (index < 0) return;
      else for (const { path, body } of tasks.splice(index, 1)) await call('tasks', `POST /${path}`, { body });
    }
  }

  async function elapse(milliseconds: number): Promise<void> {
    clock.advance(milliseconds);
    await call('sweep', 'POST /', { body: {} });
    await settle();
  }

  /** All that is stored: documents by id, those of adapters by `type/id`. */
  function stored(): Record<string, string> {
    const rows = [
      ...database.prepare('SELECT id, body FROM documents').all(),
      ...database.prepare('SELECT id, body FROM edges').all(),
      ...database.prepare("SELECT namespace || '/' || id AS id, body FROM adapter_documents").all(),
    ];
    return Object.fromEntries(rows.map(({ id, body }) => [String(id), String(body)]));
  }

  async function execution(id: ExecutionId): Promise<Execution | undefined> {
    return (await store.get('execution', id))?.doc;
  }

  return { call, job, push, submit, settle, elapse, stored, execution, restart, urls, clock, log, tasks, messages };
}

export function executionPath(id: ExecutionId): string {
  const [quest, attempt, execution] = id.split('|');
  return `/v1/quests/${quest}/attempts/${attempt}/executions/${execution}`;
}
