import { z } from 'zod';
import { ATTEMPT_STATES, idOfAttempt } from '../shared/core/attempt.ts';
import { parseDuration } from '../shared/core/duration.ts';
import { InvalidArgument } from '../shared/core/errors.ts';
import { type AttemptId, attemptId, executionId, positive, type QuestId, questId } from '../shared/core/ids.ts';
import type { AttemptQuery } from '../shared/core/ports.ts';
import { parseWith } from '../shared/core/validation.ts';
import type { Engine } from '../shared/engine/engine.ts';
import { type Call, type HttpFunction, ok, type Route, type ServeOptions, serveRoutes } from './http.ts';
import { attemptSummary, attemptView, ensuredView, executionView, graphPageView, questView } from './views.ts';

const QUEST = '/v1/quests/{quest}';
const ATTEMPT = `${QUEST}/attempts/{attempt}`;
export const EXECUTION = `${ATTEMPT}/executions/{execution}`;

/** A request that names 10,000 attempts. */
export const MAX_GRAPH_BYTES = 4 * 1024 * 1024;
const LONGEST_WAIT_MS = 5 * 60_000;
const DEFAULT_WAIT = '30s';

/** What clients use. Private: IAM decides who may call it. */
export function createApi(engine: Engine, options: ServeOptions): HttpFunction {
  const routes: Route[] = [
    {
      method: 'POST',
      path: '/v1/graph:ensure',
      maxBodyBytes: MAX_GRAPH_BYTES,
      handle: call => ensure(engine, call),
    },
    {
      method: 'POST',
      path: '/v1/graph:walk',
      maxBodyBytes: MAX_GRAPH_BYTES,
      handle: async ({ json }) => ok(graphPageView(await engine.walkGraph(json()))),
    },
    { method: 'GET', path: QUEST, handle: async ({ params }) => ok(questView(await engine.getQuest(questOf(params)))) },
    {
      method: 'GET',
      path: ATTEMPT,
      handle: async ({ params }) => ok(attemptView(await engine.getAttempt(attemptOf(params)))),
    },
    {
      method: 'GET',
      path: EXECUTION,
      handle: async ({ params }) => ok(executionView(await engine.getExecution(executionOf(params)))),
    },
    { method: 'GET', path: `${ATTEMPT}:wait`, handle: call => wait(engine, call) },
    { method: 'POST', path: `${ATTEMPT}:cancel`, handle: call => cancel(engine, call) },
    { method: 'GET', path: '/v1/attempts', handle: call => listAttempts(engine, call) },
    { method: 'GET', path: '/v1/distributors', handle: async () => ok({ distributors: distributors(engine) }) },
  ];
  return serveRoutes(routes, options);
}

type Params = Call['params'];

function questOf({ quest = '' }: Params): QuestId {
  return questId(quest);
}

function attemptOf(params: Params): AttemptId {
  return attemptId(questOf(params), positive(params.attempt ?? '', 'attempt'));
}

/** The execution that a path of the `api` or `job` function names. */
export function executionOf(params: Params): ReturnType<typeof executionId> {
  return executionId(
    questOf(params),
    positive(params.attempt ?? '', 'attempt'),
    positive(params.execution ?? '', 'execution'),
  );
}

async function ensure(engine: Engine, { json }: Call) {
  return ok(ensuredView(await engine.ensureGraph(json())));
}

async function wait(engine: Engine, { params, query, signal }: Call) {
  const timeoutMs = parseDuration(query.get('timeout') ?? DEFAULT_WAIT, 'timeout');
  const attempt = positive(params.attempt ?? '', 'attempt');
  return ok(
    attemptView(await engine.waitForAttempt(questOf(params), attempt, Math.min(timeoutMs, LONGEST_WAIT_MS), signal())),
  );
}

const cancelSchema = z.strictObject({
  reason: z.string().max(1000).default('cancelled by a client'),
  cascade: z.boolean().default(false),
});

async function cancel(engine: Engine, { params, json, text }: Call) {
  const { reason, cascade } = parseWith(cancelSchema, text === '' ? {} : json());
  const id = attemptOf(params);
  await engine.cancelAttempt(id, reason, { cascade });
  return ok(attemptView(await engine.getAttempt(id)));
}

/** Each row may have a result of 256 KiB. */
const MAX_PAGE_SIZE = 100;

const listSchema = z.strictObject({
  state: z.enum(ATTEMPT_STATES).optional(),
  distributor: z.string().max(100).optional(),
  pageSize: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(50),
  pageToken: z.string().max(1000).optional(),
});

async function listAttempts(engine: Engine, { query }: Call) {
  const { state, distributor, pageSize, pageToken } = parseWith(listSchema, Object.fromEntries(query));
  const request: AttemptQuery = {
    pageSize,
    ...(state !== undefined && { state }),
    ...(distributor !== undefined && { distributor }),
    ...(pageToken !== undefined && { after: decodePageToken(pageToken) }),
  };
  const { items, next } = await engine.listAttempts(request);
  return ok({
    attempts: items.map(attemptSummary),
    ...(next !== undefined && { nextPageToken: encodePageToken(next) }),
  });
}

function encodePageToken(id: string): string {
  return Buffer.from(id).toString('base64url');
}

/** A page token is the id of the last attempt that was shown. */
function decodePageToken(token: string): string {
  const [quest = '', attempt = ''] = Buffer.from(token, 'base64url').toString().split('|');
  try {
    const id = idOfAttempt({ quest: questId(quest), attempt: positive(attempt, 'attempt') });
    // What is no base64url is passed over when it is decoded.
    if (encodePageToken(id) !== token) throw new Error('another token');
    return id;
  } catch {
    throw new InvalidArgument('pageToken', 'is not one that this list gave');
  }
}

function distributors(engine: Engine): object[] {
  return engine.listDistributors().map(({ name, target, modes }) => ({
    name,
    type: target.type,
    version: target.version,
    modes,
    ...(target.name !== name && { aliasOf: target.name }),
  }));
}
