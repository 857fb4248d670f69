import { randomBytes } from 'node:crypto';
import type { FunctionName } from '../functions/wiring.ts';
import { systemClock, systemRandom } from '../functions/system.ts';
import { LOCAL } from '../local/emulators/functions.ts';
import type { Distributors } from '../shared/adapters/distributors.ts';
import type { Types } from '../shared/adapters/registry.ts';
import { attemptId, executionId, type QuestId } from '../shared/core/ids.ts';
import type { QueueTask } from '../shared/core/ports.ts';
import { running } from '../shared/core/result.ts';
import { activationToken, authToken, type Keyring } from '../shared/core/tokens.ts';
import { createEngine } from '../shared/engine/engine.ts';
import { wakeSchema } from '../shared/engine/wake-task.ts';
import { openFirestore } from '../shared/google/firestore.ts';
import { createStore } from '../shared/google/store.ts';
import { benchLog } from './parts.ts';

export interface Question {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

interface World {
  firestoreHost: string;
  types: Types;
  distributors: Distributors;
  keyring: Keyring;
}

const JSON_HEADERS = { 'content-type': 'application/json' };

/**
 * Puts an execution that is under way into Firestore. Resolves with what to ask each function so that it has to read
 * there, changes nothing, and answers 200 however often it is asked.
 */
export async function seedQuestions(world: World): Promise<Record<FunctionName, Question>> {
  const firestore = openFirestore({ projectId: LOCAL.projectId, emulatorHost: world.firestoreHost });
  const store = createStore(firestore, { clock: systemClock });
  const tasks: QueueTask[] = [];
  const refuse = () => Promise.reject(new Error('nothing is called here'));
  const engine = createEngine({
    ...world,
    clock: systemClock,
    random: systemRandom,
    log: benchLog,
    store,
    queue: { enqueue: async task => void tasks.push(task) },
    topic: { name: 'projects/bench/topics/notifications', publish: refuse },
    http: { request: refuse },
    jobUrl: 'http://127.0.0.1',
    secret: reference => reference,
    accessToken: scope => Promise.resolve(scope),
  });

  const desc = { distributorConfigName: 'sim', parameters: { name: 'start', stages: [] } };
  const { questIds } = await engine.ensureGraph({ quests: [{ desc }] });
  const quest = questIds[0] as QuestId;
  const attempt = attemptId(quest, 1);
  await engine.wake(wakeSchema.parse(tasks.find(({ body }) => body.id === attempt)?.body));
  const id = executionId(quest, 1, 1);
  const stored = await store.get('execution', id);
  if (stored === undefined) throw new Error('the execution was not launched');
  const { auth, distributor } = stored.doc;
  const tokens = {
    activationToken: activationToken(world.keyring, id, auth),
    executionToken: randomBytes(32).toString('base64url'),
  };
  await engine.activate(id, tokens);
  await firestore.terminate();

  const attributes = {
    execution_id: id,
    auth_token: authToken(world.keyring, { execution: id, distributor: distributor.name }, auth),
  };
  const data = Buffer.from(JSON.stringify(running())).toString('base64');
  const post = (path: string, body: object, headers: Record<string, string> = {}): Question => ({
    method: 'POST',
    path,
    headers: { ...JSON_HEADERS, ...headers },
    body: JSON.stringify(body),
  });
  return {
    api: { method: 'GET', path: `/v1/quests/${quest}/attempts/1` },
    job: post(
      `/v1/quests/${quest}/attempts/1/executions/1:activate`,
      { executionToken: tokens.executionToken },
      { authorization: `Bearer ${tokens.activationToken}` },
    ),
    notify: post('/', { message: { data, attributes } }),
    tasks: post('/wake', { id, revision: 0 }),
    sweep: post('/', {}),
  };
}
