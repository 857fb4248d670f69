import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { FUNCTION_NAMES } from '../../functions/wiring.ts';
import type { AttemptView } from '../../local/demo/client.ts';
import { type E2eStack, endsOf, showLogsOnFailure, startE2eStack, untilOver } from '../support/e2e.ts';
import { type JobService, startJobService } from '../support/job-service.ts';
import { shell, sim, temporaryFolder, web } from '../support/stack.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';

const KILLING_MS = 20_000;
const KILL_EVERY_MS = 1000;
const SUBMIT_EVERY_MS = 700;
/** A claim of `run` lives for a minute, and an unlucky execution loses more than one. */
const LIMIT_MS = 300_000;

interface Kind {
  count: number;
  desc(n: number): object;
  /** How its executions end; the last end is the attempt's. Executions that crashed are left out where they may. */
  ends: string[];
  data?(n: number): object;
  mayCrash?: true;
  cancel?: true;
  /** What it waits for may be over by the time that it asks: then its first execution is its last. */
  maySkip?: true;
  /** Its jobs are the service's. */
  service?: true;
  /** Its time may be over before the function that calls the service is there again. */
  mayCallNobody?: true;
}

const BACKOFF = { initial: '0.1s', max: '1s' };

/** What all graphs wait for. */
const SHARED = {
  shards: 3,
  phrase: { name: 'shared', seed: 7, stages: [{ stall: { delay: '3s' } }], returnStage: { retval: 2 } },
};

function kindsOf({ url, statusUrl, cancelUrl }: JobService, done: string): Record<string, Kind> {
  const call = (way: string, n: number, meta: object = {}, more: object = {}) => ({
    ...web(`${url}/${way}`, { [way]: n }, more),
    meta: { backoff: BACKOFF, ...meta },
  });
  const command = (script: string, n: number, retry: object) =>
    shell(script, { parameters: { n }, meta: { retry: { crashed: 50, ...retry }, backoff: BACKOFF } });
  const finished = { ends: ['FINISHED'] };
  const service = true;
  return {
    now: { count: 30, desc: n => call('now', n), data: n => ({ now: n }), ...finished, service },
    slow: { count: 20, desc: n => call('slow', n), data: n => ({ slow: n }), ...finished, service },
    unavailableOnce: {
      count: 10,
      desc: n => call('unavailable-once', n),
      data: n => ({ 'unavailable-once': n }),
      ...finished,
      service,
    },
    thirdTime: {
      count: 15,
      desc: n => call('third-time', n, { retry: { failed: 2 } }),
      data: n => ({ 'third-time': n }),
      ends: ['FAILED', 'FAILED', 'FINISHED'],
      service,
    },
    never: { count: 10, desc: n => call('never', n, { retry: { failed: 1 } }), ends: ['FAILED', 'FAILED'], service },
    notified: { count: 30, desc: n => call('notified', n), data: n => ({ notified: n }), ...finished, service },
    asked: {
      count: 15,
      desc: n => ({ ...call('asked', n, {}, { statusUrl }), distributorConfigName: 'asked' }),
      data: n => ({ asked: n }),
      ...finished,
      service,
    },
    overrun: {
      count: 5,
      desc: n => call('endless', n, { timeouts: { run: '2s' } }, { cancelUrl }),
      ends: ['TIMED_OUT'],
      service,
      mayCallNobody: true,
    },
    cancelled: {
      count: 10,
      desc: n => call('endless', 100 + n, {}, { cancelUrl }),
      ends: ['CANCELLED'],
      cancel: true,
    },
    simulated: {
      count: 15,
      desc: n => sim({ name: 'good', seed: n, stages: [{ stall: { delay: '0.5s' } }], returnStage: { retval: n } }),
      data: n => ({ success: true, value: String(n) }),
      ...finished,
    },
    simulatedGraph: {
      count: 10,
      desc: n => sim({ name: 'graph', seed: n, stages: [{ deps: { deps: [SHARED] } }], returnStage: { retval: n } }),
      data: n => ({ success: true, value: String(SHARED.shards * SHARED.phrase.returnStage.retval + n) }),
      ends: ['FINISHED', 'FINISHED'],
      maySkip: true,
    },
    simulatedFailure: {
      count: 5,
      desc: n => sim({ name: 'bad', seed: n, stages: [{ failure: { chance: 1 } }] }),
      data: () => ({ success: false }),
      ...finished,
    },
    simulatedOverrun: {
      count: 5,
      desc: n => ({
        ...sim({ name: 'slow', seed: n, stages: [{ stall: { delay: '900s' } }] }),
        meta: { timeouts: { run: '1s' }, retry: { timedOut: 1 }, backoff: BACKOFF },
      }),
      ends: ['TIMED_OUT', 'TIMED_OUT'],
    },
    command: {
      count: 15,
      desc: n => command(`sleep 0.5; echo "$EXECUTION_ID" >> ${done}; echo "{\\"command\\": ${n}}"`, n, {}),
      data: n => ({ command: n }),
      mayCrash: true,
      ...finished,
    },
    failingCommand: {
      count: 5,
      desc: n => command('exit 3', n, { failed: 1 }),
      ends: ['FAILED', 'FAILED'],
      mayCrash: true,
    },
  };
}

interface Submitted {
  kind: Kind;
  n: number;
  quest: string;
}

/** In an order that mixes the kinds, a few at a time, so that each kill meets some in every phase. */
async function submitMixed(stack: E2eStack, kinds: Kind[]): Promise<Submitted[]> {
  const planned = kinds.flatMap(kind =>
    Array.from({ length: kind.count }, (_, n) => ({ kind, n, at: n / kind.count })),
  );
  const submitted: Submitted[] = [];
  const mixed = planned.toSorted((a, b) => a.at - b.at);
  for (let first = 0; first < mixed.length; first += 10) {
    const few = mixed.slice(first, first + 10);
    const quests = await stack.api.submitAll(few.map(({ kind, n }) => kind.desc(n)));
    submitted.push(...few.map(({ kind, n }, i) => ({ kind, n, quest: quests[i]! })));
    await sleep(SUBMIT_EVERY_MS);
    const unwanted = submitted.slice(-20, -10).filter(({ kind }) => kind.cancel);
    await Promise.all(unwanted.map(({ quest }) => stack.cancel(quest)));
  }
  const last = submitted.slice(-10).filter(({ kind }) => kind.cancel);
  await Promise.all(last.map(({ quest }) => stack.cancel(quest)));
  return submitted;
}

/** Kills a random function every second or so. Resolves with how often, once it has done so for long enough. */
async function killFunctions(stack: E2eStack): Promise<number> {
  const until = Date.now() + KILLING_MS;
  let kills = 0;
  for (; Date.now() < until; kills++) {
    await sleep(KILL_EVERY_MS * (0.5 + Math.random()));
    stack.kill(FUNCTION_NAMES[Math.floor(Math.random() * FUNCTION_NAMES.length)]!);
  }
  return kills;
}

/** Looks at all attempts until it is told to stop. Resolves with those that did not stay as they had ended. */
function watchTerminalStates({ api }: E2eStack) {
  const stopped = new AbortController();
  const ends = new Map<string, string>();
  const changed: string[] = [];
  const watching = (async () => {
    while (!stopped.signal.aborted) {
      for (const { quest, state, result } of await api.listAll()) {
        const end = JSON.stringify({ state, result });
        const before = ends.get(quest);
        if (before !== undefined && before !== end) changed.push(`${quest}: ${before} became ${end}`);
        if (result !== undefined || before !== undefined) ends.set(quest, end);
      }
      await sleep(1000);
    }
    return changed;
  })();
  return () => {
    stopped.abort();
    return watching;
  };
}

function expectEnd({ kind, n }: Submitted, attempt: AttemptView): void {
  const ends = endsOf(attempt).filter(end => !(kind.mayCrash && end === 'CRASHED'));
  // A cancellation may come before the launch.
  const left = kind.maySkip && ends.length === 1 ? kind.ends.slice(1) : kind.ends;
  if (!(kind.cancel && ends.length === 0)) expect(ends, JSON.stringify(attempt)).toEqual(left);
  if (kind.data !== undefined) expect(attempt.result).toEqual({ data: kind.data(n) });
  else expect(attempt.result).toMatchObject({ abnormalFinish: { status: kind.ends.at(-1) } });
}

/** A job for each execution and no other, and every call of it the same to the byte. */
function expectJobs({ kind, quest }: Submitted, { executions }: AttemptView, service: JobService): void {
  const jobs = service.jobsOf(quest).filter(({ calls }) => calls.length > 0);
  const ids = executions.map(({ execution }) => `${quest}|1|${execution}`);
  if (kind.cancel || kind.mayCallNobody) expect(ids).toEqual(expect.arrayContaining(jobs.map(({ key }) => key)));
  else expect(jobs.map(({ key }) => key).toSorted()).toEqual(kind.service ? ids : []);
  for (const { calls } of jobs) {
    const handedOver = calls.map(({ body, headers }) => JSON.stringify([body, headers['x-auth-token']]));
    expect(new Set(handedOver).size).toBe(1);
  }
}

describeWithEmulators('while functions are killed with -9 every second', () => {
  test('200 executions of all kinds come to their right ends, none is lost and none completes twice', async () => {
    const done = join(temporaryFolder(), 'done');
    const service = await startJobService();
    const kinds = Object.values(kindsOf(service, done));
    expect(kinds.reduce((sum, { count }) => sum + count, 0)).toBe(200);
    const stack = await startE2eStack();
    onTestFinished(() => stack.close(), 30_000);
    showLogsOnFailure(() => stack);
    onTestFailed(() => {
      const untold = [...service.jobs.values()].filter(({ path, told }) => path === '/notified' && !told);
      console.log(`jobs whose end was not accepted: ${untold.map(({ key }) => key).join(', ')}`);
    });

    const stopWatching = watchTerminalStates(stack);
    const startedAt = Date.now();
    const [submitted, kills] = await Promise.all([submitMixed(stack, kinds), killFunctions(stack)]);
    expect(kills).toBeGreaterThan(12);
    const quests = submitted.map(({ quest }) => quest);
    const attempts = await untilOver(stack, quests, LIMIT_MS);
    console.log(`${kills} kills; all over after ${Math.round((Date.now() - startedAt) / 1000)} s`);

    for (const [i, one] of submitted.entries()) expectEnd(one, attempts[i]!);
    expect(await stack.api.listAll()).toHaveLength(200 + SHARED.shards);

    for (const [i, one] of submitted.entries()) expectJobs(one, attempts[i]!, service);
    const completed = readFileSync(done, 'utf8').trim().split('\n');
    expect(new Set(completed).size).toBe(completed.length);

    await sleep(3000);
    expect(await stopWatching()).toEqual([]);
    expect(await Promise.all(quests.map(quest => stack.api.get(quest).then(endsOf)))).toEqual(attempts.map(endsOf));
  }, 600_000);
});
