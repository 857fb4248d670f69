import { describe, expect, test } from 'vitest';
import { isTransient, TransientError } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { abnormal, type TaskResult } from '../../shared/core/result.ts';
import { describeTask, questOf } from '../support/drive.ts';
import {
  type AskedFor,
  askedIn,
  createJobsim,
  http,
  type OutcomeOf,
  serveJobs,
  simulated,
  verbsOf,
} from '../support/jobsim.ts';
import { fakeServices, memoryDocuments } from '../support/services.ts';

const good = (value: number): TaskResult => ({ data: { success: true, value: String(value) } });
const BAD: TaskResult = { data: { success: false } };

const leaf = (name: string) => ({ name, stages: [] });
const asks = (...deps: object[]) => ({ deps: { deps } }) as JsonObject;
const two = { stages: [asks({ phrase: leaf('a') }, { phrase: leaf('b') })], returnStage: { retval: 1 } };

const nameOf = ({ parameters, attempt }: AskedFor) => `${parameters.name as string}|${attempt}`;

/** Where the steps of a job can be disturbed: at each of its calls and each time that something is stored. */
type Disturb = (at: string) => Promise<void>;

interface Played {
  /** What each execution asked for, in order. */
  asked: string[][];
  results: JsonObject[];
  states: JsonObject[];
}

/**
 * Plays all executions of an attempt: a delivery that fails comes again, and when an execution waits, all that it has asked
 * for is over by the next one.
 */
async function play(
  phrase: object,
  end: (asked: string) => TaskResult,
  disturb?: (deliver: () => Promise<unknown>) => Disturb,
): Promise<Played> {
  const over = new Set<string>();
  const waiting = new Set<string>();
  const outcomeOf: OutcomeOf = asked => {
    const name = nameOf(asked);
    if (over.has(name)) return end(name);
    waiting.add(name);
    return undefined;
  };
  const server = await serveJobs({ outcomeOf });
  const documents = memoryDocuments();
  let deliver: () => Promise<unknown> = () => Promise.reject(new Error('nothing to deliver yet'));
  const at = disturb?.(() => deliver()) ?? (() => Promise.resolve());
  const services = fakeServices({
    http: {
      async request(request) {
        await at('before a call');
        const response = await http.request(request);
        await at('after a call');
        return response;
      },
    },
    documents: {
      ...documents,
      async put(...args) {
        await at('before it is stored');
        const version = await documents.put(...args);
        await at('after it is stored');
        return version;
      },
    },
  });
  const distributor = createJobsim({ pool: 'test' }, services);
  const quest = questOf({ parameters: phrase as JsonObject });
  const states: JsonObject[] = [];
  for (let execution = 1; server.results().length === 0; execution++) {
    const previousState = states.at(-1);
    const task = describeTask(quest, { execution, jobUrl: server.url, ...(previousState && { previousState }) });
    const { executionId } = task;
    deliver = () => distributor.handleTaskQueueTask({ executionId, payload: {}, retryCount: 0, task });
    for (let notices: unknown[] = []; notices.length === 0; ) {
      notices = (await deliver().catch((error: unknown) => {
        if (!isTransient(error)) throw error;
        return [];
      })) as unknown[];
    }
    const status = await distributor.getStatus({ executionId, token: `test/${executionId}` }, quest);
    if (status.state !== 'finished' || !('data' in status.result)) throw new Error(JSON.stringify(status));
    states.push(status.result.data);
    for (const name of waiting) over.add(name);
  }
  const calls = server.requests.filter(({ path }) => path.endsWith(':ensureGraphData'));
  return { asked: calls.map(({ body }) => askedIn(body).map(nameOf)), results: server.results(), states };
}

describe('a job with dependencies', () => {
  test('ends when it has to wait, and is executed again from where it was', async () => {
    const { asked, results, states } = await play(two, name => good(name === 'a|1' ? 10 : 20));
    expect(asked).toEqual([
      ['a|1', 'b|1'],
      ['a|1', 'b|1'],
    ]);
    expect(states).toEqual([
      { stage: 0, sum: 0 },
      { stage: 1, sum: 30 },
    ]);
    expect(results).toEqual([good(31)]);
  });

  test('does not wait for what is over', async () => {
    const { server, deliver } = await simulated(two, { outcomeOf: () => good(4) });
    expect(await deliver()).toHaveLength(1);
    expect(verbsOf(server)).toEqual(['activate', 'ensureGraphData', 'finish']);
    expect(server.results()).toEqual([good(9)]);
  });

  test('retries together those that failed, with the next attempt, and adds each success once', async () => {
    const phrase = { stages: [asks({ shards: 3, retries: 2, phrase: leaf('s') })] };
    const ends: Record<string, TaskResult> = { 's[1]|1': BAD, 's[3]|1': abnormal('CRASHED', 'gone'), 's[3]|2': BAD };
    const { asked, results, states } = await play(phrase, name => ends[name] ?? good(1));
    expect(asked.filter((names, i) => String(names) !== String(asked[i - 1]))).toEqual([
      ['s[1]|1', 's[2]|1', 's[3]|1'],
      ['s[1]|2', 's[3]|2'],
      ['s[3]|3'],
    ]);
    expect(states).toEqual([
      { stage: 0, sum: 0 },
      { stage: 0, sum: 1, retry: { attempt: 2, places: [0, 2] } },
      { stage: 0, sum: 2, retry: { attempt: 3, places: [2] } },
      { stage: 1, sum: 3 },
    ]);
    expect(results).toEqual([good(3)]);
  });

  test('fails when the retries of one are used up, and goes no further', async () => {
    const phrase = {
      stages: [asks({ retries: 1, phrase: leaf('a') }, { phrase: leaf('b') }), asks({ phrase: leaf('c') })],
    };
    const { asked, results, states } = await play(phrase, name => (name.startsWith('a') ? BAD : good(1)));
    expect(new Set(asked.flat())).toEqual(new Set(['a|1', 'b|1', 'a|2']));
    expect(results).toEqual([BAD]);
    expect(states.at(-1)).toEqual({ stage: 0, sum: 1, failed: true });
  });

  test('needs every attempt of a list', async () => {
    const phrase = {
      stages: [asks({ attempts: { items: [{ single: 1 }, { range: { low: 3, high: 4 } }] }, phrase: leaf('a') })],
    };
    const value = (name: string) => Number(name.split('|')[1]);
    expect((await play(phrase, name => good(value(name)))).results).toEqual([good(8)]);
    expect((await play(phrase, name => (name === 'a|3' ? BAD : good(value(name))))).results).toEqual([BAD]);
  });

  test('goes on from the state of a job that knew nothing of dependencies', async () => {
    const { server, deliver } = await simulated(
      { stages: [{ stall: { delay: '1s' } }, ...two.stages], returnStage: { retval: 2 } },
      { outcomeOf: () => good(10), describe: { execution: 2, previousState: { stage: 1, sum: 0 } } },
    );
    await deliver();
    expect(server.results()).toEqual([good(22)]);
  });
});

describe('at each step', () => {
  const phrase = {
    seed: 1,
    stages: [asks({ shards: 2, retries: 1, mixSeed: true, phrase: leaf('a') }), asks({ phrase: leaf('b') })],
    returnStage: { retval: 100 },
  };
  const end = (name: string) => (name === 'a[1]|1' ? BAD : good(name.startsWith('b') ? 7 : 1));
  const killed = () => Promise.reject(new TransientError('killed'));

  /** Plays the phrase as often as it has steps, with something happening at one of them. */
  async function playEach(happening: (deliver: () => Promise<unknown>) => Promise<unknown>): Promise<number> {
    const undisturbed = await play(phrase, end);
    expect(undisturbed.results).toEqual([good(109)]);
    for (let nth = 0; ; nth++) {
      let steps = 0;
      const played = await play(phrase, end, deliver => async () => {
        if (steps++ === nth) await happening(deliver);
      });
      expect(played).toMatchObject({ results: undisturbed.results, states: undisturbed.states });
      if (steps <= nth) return nth;
    }
  }

  test('a job that dies there ends as if it had not', async () => {
    expect(await playEach(killed)).toBeGreaterThan(30);
  });

  test('a job whose task is delivered a second time there, and done, ends as if it had not', async () => {
    expect(await playEach(deliver => deliver())).toBeGreaterThan(30);
  });

  test('a job that dies there, its task having been done by another delivery, ends as if it had not', async () => {
    expect(await playEach(deliver => deliver().then(killed))).toBeGreaterThan(30);
  });
});

describe('when ensureGraphData', () => {
  const isAsk = ({ path }: { path: string }) => path.endsWith(':ensureGraphData');

  test.each([503, 409])('answers %d, the task comes again', async answer => {
    let broken = true;
    const { deliver, server } = await simulated(two, {
      outcomeOf: () => good(1),
      disturb: request => (broken && isAsk(request) ? { status: answer } : undefined),
    });
    const error: unknown = await deliver().catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
    broken = false;
    expect(await deliver()).toHaveLength(1);
    expect(server.results()).toEqual([good(3)]);
  });

  const answerWith = (attempt: object) => ({
    body: { questIds: ['A', 'B'], shouldHalt: false, graph: { quests: { A: { attempts: { 1: attempt } } } } },
  });

  test.each([
    ['refuses', { status: 400 }, 'ensureGraphData: the job function answered 400'],
    [
      'withholds a result',
      answerWith({ state: 'FINISHED', resultWithheld: 'dataSizeLimit' }),
      'the result of A|1 is not in the answer: dataSizeLimit',
    ],
    [
      'answers with a value that is none',
      answerWith({ result: { data: { success: true } } }),
      'result.data.value: is missing',
    ],
    ['answers with something else', { body: 'hello' }, 'answer: must be object, not null'],
    [
      'answers without end',
      { body: 'x'.repeat(32 * 1024 * 1024 + 1) },
      'ensureGraphData: the job function answered 200 with more than 33554432 bytes',
    ],
  ])('%s, the job ends by itself and says why', async (_, answer, reason) => {
    const { deliver, status, server } = await simulated(two, {
      disturb: request => (isAsk(request) ? answer : undefined),
    });
    expect(await deliver()).toHaveLength(1);
    expect(await status()).toEqual({ state: 'finished', result: abnormal('CRASHED', reason) });
    expect(server.results()).toEqual([]);
  });
});

describe('a phrase is refused by the field', () => {
  const validate = async (stages: object[], more: object = {}) => {
    const { distributor } = await simulated({ stages: [] });
    distributor.validate(questOf({ parameters: { stages } as JsonObject, ...more }));
  };
  const deps = 'parameters.stages[0].deps.deps';
  const phrase = leaf('a');
  const nested = (inner: object) => asks({ phrase: { stages: [asks({ phrase: { stages: [inner] } })] } });
  const list = (...items: object[]) => asks({ attempts: { items }, phrase });

  test.each([
    [asks(), `${deps}: `],
    [{ deps: {} }, `${deps}: is missing`],
    [
      { ...asks({ phrase }), stall: { delay: '1s' } },
      'parameters.stages[0]: must be exactly one of "stall", "failure", "deps"',
    ],
    [asks({}), `${deps}[0].phrase: is missing`],
    [asks({ phrase, more: 1 }), `${deps}[0]: unknown field "more"`],
    [asks({ phrase, shards: 0 }), `${deps}[0].shards: `],
    [asks({ phrase, shards: 10_001 }), `${deps}[0].shards: `],
    [asks({ phrase, mixSeed: 1 }), `${deps}[0].mixSeed: must be boolean, not number`],
    [asks({ phrase, retries: -1 }), `${deps}[0].retries: `],
    [asks({ phrase, retries: 1001 }), `${deps}[0].retries: `],
    [
      asks({ phrase, retries: 1, attempts: { items: [{ single: 1 }] } }),
      `${deps}[0].retries: must not be given beside "attempts"`,
    ],
    [list(), `${deps}[0].attempts.items: `],
    [list({}), `${deps}[0].attempts.items[0]: must be exactly one of "single", "range"`],
    [list({ single: 0 }), `${deps}[0].attempts.items[0].single: `],
    [list({ range: { low: 3, high: 2 } }), `${deps}[0].attempts.items[0].range.high: must not be below "low"`],
    [list({ single: 2 }, { single: 2 }), `${deps}[0].attempts.items: must rise`],
    [list({ range: { low: 1, high: 5 } }, { single: 4 }), `${deps}[0].attempts.items: must rise`],
    [list({ range: { low: 1, high: 2_147_483_647 } }), `${deps}: must not ask for more than 10000 attempts`],
    [asks({ shards: 5_001, phrase }, { shards: 5_000, phrase }), `${deps}: must not ask for more than 10000 attempts`],
    [
      asks({ shards: 5_001, attempts: { items: [{ range: { low: 1, high: 2 } }] }, phrase }),
      `${deps}: must not ask for more than 10000 attempts`,
    ],
    [nested({ failure: { chance: 2 } }), `${deps}[0].phrase.stages[0].deps.deps[0].phrase.stages[0].failure.chance: `],
    [
      nested(asks({ shards: 10_001, phrase })),
      `${deps}[0].phrase.stages[0].deps.deps[0].phrase.stages[0].deps.deps[0].shards: `,
    ],
    [
      nested(asks({ shards: 10_000, phrase: leaf('x'.repeat(500)) })),
      `${deps}[0].phrase.stages[0].deps.deps[0].phrase.stages[0].deps.deps: takes a request of`,
    ],
  ])('%#', async (stage, message) => {
    await expect(validate([stage])).rejects.toThrow(message);
  });

  test('and one that asks for as much as possible is not', async () => {
    await validate([asks({ shards: 10_000, phrase })]);
    await validate([asks({ attempts: { items: [{ range: { low: 1, high: 10_000 } }] }, phrase })]);
    await validate([nested(asks({ shards: 10_000, phrase })), asks({ shards: 10_000, phrase })]);
  });

  test('what is let through fits into a call, and what is not would hardly have', async () => {
    const named = (length: number) => [asks({ shards: 5_000, mixSeed: true, phrase: leaf('x'.repeat(length)) })];
    let [fits, tooLong] = [0, 1000];
    while (tooLong - fits > 1) {
      const length = Math.floor((fits + tooLong) / 2);
      const isLetThrough = await validate(named(length)).then(
        () => true,
        () => false,
      );
      if (isLetThrough) fits = length;
      else tooLong = length;
    }
    const { deliver, server } = await simulated({ stages: named(fits) });
    await deliver();
    const mib = Buffer.byteLength(server.requests[1]!.body) / 1024 / 1024;
    expect(mib).toBeLessThanOrEqual(4);
    expect(mib).toBeGreaterThan(3.5);
  });
});
