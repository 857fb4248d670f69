import { formatDuration } from '../shared/core/duration.ts';
import type { JsonObject } from '../shared/core/json.ts';
import type { AbnormalStatus } from '../shared/core/result.ts';
import { COMMANDS } from './commands.ts';
import type { Manner } from './executor.ts';
import type { WorkName } from './work.ts';

export type End = AbnormalStatus | 'FINISHED';

/** One piece of work, as chance has it. */
export interface Order {
  /** No two have the same. */
  n: number;
  workMs: number;
  /** Before a call that goes on by itself is answered. */
  answerMs: number;
}

export interface World {
  executorUrl: string;
  /** Where commands run and keep their records. */
  folder: string;
}

/** A kind of work, and how it must end however often the stack is killed meanwhile. */
export interface Kind {
  /** How many of a hundred or so orders are of this kind. */
  weight: number;
  desc(order: Order, world: World): object;
  /** The ends that are right for the attempt. */
  attempt: readonly End[];
  /** The ends, in order, that are right for its executions. */
  executions: readonly (readonly End[])[];
  /** Its commands die with the stack: any number of executions more may have CRASHED. */
  crashes?: true;
  /** Where the attempt's result comes from: the executor's report, the job itself, or what can be foretold. */
  source: 'report' | 'job' | ((order: Order) => JsonObject);
  /** When its client cancels it, in milliseconds after it was accepted. */
  cancelAfterMs?: (order: Order) => number;
}

/** Distributors by how the end of a job becomes known; `told` would wait ten minutes before it asks. */
export function distributorsFile(directory: string): string {
  const config = { allowedHosts: ['127.0.0.1'], requestTimeout: '2s', maxTries: 100 };
  return JSON.stringify({
    told: { type: 'http', config },
    asked: { type: 'http', config: { ...config, pollInterval: '1s' } },
    shell: { type: 'exec', config: { gracePeriod: '1s', env: { SOAK_DIRECTORY: directory } } },
    sim: { type: 'jobsim', config: { pool: 'soak' } },
  });
}

const BACKOFF = { initial: '0.1s', max: '1s' };
const SOON_STOPPED = { stop: '2s' };
const CRASHES = { retry: { crashed: 1000 }, backoff: BACKOFF };

function web(manner: Manner, work: WorkName, meta: object = {}, askable = true): Kind['desc'] {
  return ({ n, workMs, answerMs }, { executorUrl }) => ({
    distributorConfigName: manner === 'poll' ? 'asked' : 'told',
    parameters: { n, workMs, answerMs },
    distributorParameters: {
      url: `${executorUrl}/${manner}/${work}`,
      ...(askable && { statusUrl: `${executorUrl}/status`, cancelUrl: `${executorUrl}/cancel` }),
    },
    meta,
  });
}

function interactive(manner: Manner, work: WorkName, meta: object = {}): Kind['desc'] {
  return web(manner, work, { mode: 'interactive', timeouts: SOON_STOPPED, ...meta });
}

function command(scriptOf: (order: Order) => string, meta: object = {}): Kind['desc'] {
  return (order, { folder }) => ({
    distributorConfigName: 'shell',
    parameters: { n: order.n },
    distributorParameters: { command: ['sh', '-c', scriptOf(order)], cwd: folder },
    meta: { ...CRASHES, ...meta },
  });
}

function phrase(stages: (order: Order) => object[]): Kind['desc'] {
  return order => ({
    distributorConfigName: 'sim',
    parameters: { seed: order.n, stages: stages(order), returnStage: { retval: order.n } },
    meta: { timeouts: SOON_STOPPED },
  });
}

const seconds = (milliseconds: number) => formatDuration(milliseconds).slice(0, -1);
const stall = ({ workMs }: Order) => ({ stall: { delay: formatDuration(workMs) } });
const long = ({ workMs }: Order) => seconds(2000 + 2 * workMs);
const ENDLESS = () => COMMANDS.succeed('60');

const good = { attempt: ['FINISHED'], executions: [['FINISHED']], source: 'report' } as const;
const takenPart = { ...good, source: 'job' } as const;
const goodCommand = { ...good, crashes: true } as const;
const cancelled = { attempt: ['CANCELLED'], executions: [[], ['CANCELLED']], source: 'report' } as const;

function bad(...ends: readonly [End, ...End[]]): Pick<Kind, 'attempt' | 'executions' | 'source'> {
  return { attempt: [ends.at(-1)!], executions: [ends], source: 'report' };
}

export const KINDS = {
  'answers at once': { weight: 6, desc: web('now', 'succeed'), ...good },
  'unavailable at first': { weight: 3, desc: web('unavailableFirst', 'succeed'), ...good },
  'answers by callback': { weight: 6, desc: web('callback', 'succeed'), ...good },
  'calls back three times': { weight: 3, desc: web('callbackThrice', 'succeed'), ...good },
  'must be asked': { weight: 5, desc: web('poll', 'succeed'), ...good },
  fails: { weight: 2, desc: web('now', 'fail'), ...bad('FAILED') },
  'fails to the end': {
    weight: 2,
    desc: web('poll', 'fail', { retry: { failed: 1 }, backoff: BACKOFF }),
    ...bad('FAILED', 'FAILED'),
  },
  'succeeds the third time': {
    weight: 3,
    desc: web('callback', 'succeedThirdTime', { retry: { failed: 2 }, backoff: BACKOFF }),
    ...good,
    executions: [['FAILED', 'FAILED', 'FINISHED']],
  },
  overruns: {
    weight: 3,
    desc: web('poll', 'endless', { timeouts: { run: '1s' }, retry: { timedOut: 1 }, backoff: BACKOFF }),
    ...bad('TIMED_OUT', 'TIMED_OUT'),
  },
  // Nobody can stop it. At the deadline a report may just have come.
  'ends too late': {
    weight: 2,
    desc: (order, world) =>
      web(
        'callback',
        'succeed',
        { timeouts: { run: '0.5s' } },
        false,
      )({ ...order, workMs: order.workMs + 1500 }, world),
    ...bad('TIMED_OUT'),
    attempt: ['TIMED_OUT', 'FINISHED'],
    executions: [['TIMED_OUT'], ['FINISHED']],
  },
  'is cancelled': { weight: 4, desc: web('callback', 'endless'), ...cancelled, cancelAfterMs: ({ workMs }) => workMs },
  'is cancelled near its end': {
    weight: 3,
    desc: web('callback', 'succeed'),
    attempt: ['CANCELLED', 'FINISHED'],
    executions: [[], ['CANCELLED'], ['FINISHED']],
    source: 'report',
    cancelAfterMs: ({ workMs, answerMs }) => workMs + answerMs / 2,
  },
  'takes part': { weight: 5, desc: interactive('callback', 'takePart'), ...takenPart },
  'takes part, must be asked': { weight: 3, desc: interactive('poll', 'takePart'), ...takenPart },
  'takes part twice': { weight: 5, desc: interactive('callback', 'takePartTwice'), ...takenPart },
  'dies, then takes part': {
    weight: 3,
    desc: interactive('callback', 'dieFirst', { retry: { crashed: 1 }, backoff: BACKOFF }),
    ...takenPart,
    executions: [['CRASHED', 'FINISHED']],
  },
  'dies once it has finished': {
    weight: 2,
    desc: interactive('callback', 'dieFinished'),
    ...takenPart,
    executions: [['CRASHED']],
  },
  'forgets to finish': { weight: 2, desc: interactive('callback', 'forgetToFinish'), ...bad('FAILED') },
  'never activates': {
    weight: 3,
    desc: interactive('callback', 'endless', { timeouts: { start: '1s' }, retry: { expired: 1 }, backoff: BACKOFF }),
    ...bad('EXPIRED', 'EXPIRED'),
  },
  phrase: {
    weight: 6,
    desc: phrase(order => [stall(order)]),
    ...good,
    source: ({ n }) => ({ success: true, value: String(n) }),
  },
  'phrase that fails': {
    weight: 2,
    desc: phrase(order => [stall(order), { failure: { chance: 1 } }]),
    ...good,
    source: () => ({ success: false }),
  },
  'short command': { weight: 6, desc: command(({ workMs }) => COMMANDS.succeed(seconds(workMs))), ...goodCommand },
  'long command': { weight: 5, desc: command(order => COMMANDS.succeed(long(order))), ...goodCommand },
  'failing command': {
    weight: 2,
    desc: command(({ workMs }) => COMMANDS.fail(seconds(workMs))),
    ...bad('FAILED'),
    crashes: true,
  },
  'overrunning command': {
    weight: 2,
    desc: command(ENDLESS, { timeouts: { run: '1s' } }),
    ...bad('TIMED_OUT'),
    crashes: true,
  },
  'cancelled command': {
    weight: 2,
    desc: command(ENDLESS),
    ...cancelled,
    crashes: true,
    cancelAfterMs: ({ workMs }) => workMs,
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}
