import { createHttpClient } from '../../shared/adapters/http-client.ts';
import { jobsimType } from '../../shared/adapters/jobsim/index.ts';
import type { Services } from '../../shared/adapters/contract.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import type { TaskResult } from '../../shared/core/result.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { type DescribeOptions, describeTask, questOf } from './drive.ts';
import { type Answer, type ReceivedRequest, serve } from './http-server.ts';
import { fakeServices, manualClock, memoryDocuments } from './services.ts';

export const http = createHttpClient({ local: true });

export function createJobsim(config: object, services: Services) {
  return jobsimType.create(parseWith(jobsimType.configSchema, config, 'config'), services);
}

/** An attempt that a job asks for. */
export interface AskedFor {
  parameters: JsonObject;
  attempt: number;
}

/** How an attempt ended; undefined while it is not over. */
export type OutcomeOf = (asked: AskedFor) => TaskResult | undefined;

export interface JobFunctionOptions {
  /** May answer in place of the job function. */
  disturb?: ((request: ReceivedRequest) => Answer | Promise<Answer | undefined> | undefined) | undefined;
  outcomeOf?: OutcomeOf | undefined;
}

interface GraphBody {
  quests: { desc: { parameters: JsonObject }; attempts: number[] }[];
}

const OK: Answer = { body: {} };
const UNAUTHENTICATED: Answer = { status: 401 };
const ABORTED: Answer = { status: 409 };

/** The job function, as far as simulated jobs meet it. */
export async function serveJobs({ disturb = () => undefined, outcomeOf = () => undefined }: JobFunctionOptions = {}) {
  const tokens = new Map<string, string>();
  const activations = new Set<string>();
  const results = new Map<string, string>();
  /** By execution: the call that has halted it. */
  const halts = new Map<string, string>();

  function activate(execution: string, bearer: string | undefined, body: string): Answer {
    const { executionToken } = JSON.parse(body) as { executionToken: string };
    activations.add(executionToken);
    if (!bearer?.startsWith('activation-') || results.has(execution) || halts.has(execution)) return UNAUTHENTICATED;
    if ((tokens.get(execution) ?? executionToken) !== executionToken) return ABORTED;
    tokens.set(execution, executionToken);
    return OK;
  }

  function ensureGraphData(execution: string, body: string): Answer {
    if (results.has(execution) || (halts.get(execution) ?? body) !== body) return UNAUTHENTICATED;
    const asked = askedIn(body);
    if (asked.some(one => outcomeOf(one) === undefined)) halts.set(execution, body);
    return { body: { ...graphOf(body, outcomeOf), shouldHalt: halts.has(execution) } };
  }

  function finish(execution: string, body: string): Answer {
    if (halts.has(execution)) return UNAUTHENTICATED;
    if ((results.get(execution) ?? body) !== body) return ABORTED;
    results.set(execution, body);
    return OK;
  }

  const server = await serve(async request => {
    const disturbance = await disturb(request);
    if (disturbance) return disturbance;
    const [execution = '', verb] = request.path.split(':');
    const bearer = request.headers.authorization?.replace('Bearer ', '');
    if (verb === 'activate') return activate(execution, bearer, request.body);
    if (bearer !== tokens.get(execution)) return UNAUTHENTICATED;
    return verb === 'finish' ? finish(execution, request.body) : ensureGraphData(execution, request.body);
  });
  return { ...server, activations, results: () => [...results.values()].map(text => JSON.parse(text) as JsonObject) };
}

/** The attempts that a call of ensureGraphData asks for. */
export function askedIn(body: string): AskedFor[] {
  const { quests } = JSON.parse(body) as GraphBody;
  return quests.flatMap(({ desc, attempts }) => attempts.map(attempt => ({ parameters: desc.parameters, attempt })));
}

function graphOf(body: string, outcomeOf: OutcomeOf): object {
  const { quests } = JSON.parse(body) as GraphBody;
  const questIds = quests.map(({ desc }) => normalizeQuest(desc).id);
  const entries = quests.map(({ desc, attempts }, i) => [
    questIds[i],
    {
      attempts: Object.fromEntries(
        attempts.map(attempt => [attempt, { result: outcomeOf({ parameters: desc.parameters, attempt }) }]),
      ),
    },
  ]);
  return { questIds, accepted: true, graph: { quests: Object.fromEntries(entries) as object } };
}

export interface SimulatedOptions extends JobFunctionOptions {
  config?: object;
  describe?: DescribeOptions;
}

/** One simulated job of this phrase, and all that it meets. */
export async function simulated(phrase: JsonObject, { config, describe, ...options }: SimulatedOptions = {}) {
  const server = await serveJobs(options);
  const clock = manualClock();
  const documents = memoryDocuments();
  const services = fakeServices({ http, clock, documents });
  const distributor = createJobsim({ pool: 'test', ...config }, services);
  const task = describeTask(questOf({ parameters: phrase }), { ...describe, jobUrl: server.url });
  const { quest, executionId } = task;
  const deliver = () => distributor.handleTaskQueueTask({ executionId, payload: {}, retryCount: 0, task });
  const handle = { executionId, token: `test/${executionId}` };
  const status = () => distributor.getStatus(handle, quest);
  return { server, clock, documents, services, distributor, task, quest, executionId, deliver, handle, status };
}

export function verbsOf({ requests }: { requests: ReceivedRequest[] }): (string | undefined)[] {
  return requests.map(({ path }) => path.split(':')[1]);
}
