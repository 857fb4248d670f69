import { describe, expect, test } from 'vitest';
import { statusOf, taskResultSchema } from '../../shared/adapters/swarming/status.ts';
import { normalizeStatus, type TaskStatus } from '../../shared/core/result.ts';
import { TASK_STATES } from '../support/fakes/swarming.ts';
import { abnormalFinish } from '../support/http-adapter.ts';

const taskId = '6663cfc78b41fb10';
const read = (result: object): TaskStatus => statusOf(taskResultSchema.parse({ taskId, ...result }));

/** What every TaskState comes to when Swarming says no more than that. */
const EXPECTED: Readonly<Record<(typeof TASK_STATES)[number], object>> = {
  INVALID: abnormalFinish('RESULT_MALFORMED', `task ${taskId}: its state is "INVALID", which nobody here has heard of`),
  PENDING: { state: 'pending' },
  RUNNING: { state: 'running' },
  EXPIRED: abnormalFinish('EXPIRED', `task ${taskId}: no bot took it in time: the pool is busy or too small`),
  NO_RESOURCE: abnormalFinish('EXPIRED', `task ${taskId}: no bot that is alive has the dimensions that it asks for`),
  TIMED_OUT: abnormalFinish(
    'TIMED_OUT',
    `task ${taskId}: it ran too long or was silent too long, and was stopped (bot b)`,
  ),
  BOT_DIED: abnormalFinish('CRASHED', `task ${taskId}: the bot died or had an internal failure (bot b)`),
  CANCELED: abnormalFinish('CANCELLED', `task ${taskId}: it was cancelled at Swarming before it ran`),
  COMPLETED: { state: 'finished', result: { data: { taskId, exitCode: 0, botId: 'b' } } },
  KILLED: abnormalFinish('CANCELLED', `task ${taskId}: it was cancelled at Swarming while it ran (bot b)`),
  CLIENT_ERROR: abnormalFinish('REJECTED', `task ${taskId}: its inputs cannot be had`),
};

describe('every state of a task has its row:', () => {
  test.each(TASK_STATES)('%s', state => {
    const status = read({ state, botId: 'b' });
    expect(status).toEqual(EXPECTED[state]);
    expect(normalizeStatus(status)).toEqual(status);
  });

  test.each([['SHELVED'], [1024]])('%j, which nobody has heard of, is told by its name', state => {
    expect(read({ state })).toMatchObject({
      result: { abnormalFinish: { status: 'RESULT_MALFORMED', reason: expect.stringContaining(`"${state}"`) } },
    });
  });

  test('a state that is left out is the zero', () => {
    expect(read({ botId: 'b' })).toEqual(EXPECTED.INVALID);
  });
});

describe('a completed task', () => {
  test.each<[object, string, string]>([
    [{ failure: true, exitCode: '7' }, 'FAILED', 'it exited with code 7'],
    [{ exitCode: '-1073741510' }, 'FAILED', 'it exited with code -1073741510'],
    [{ exitCode: 7 }, 'FAILED', 'it exited with code 7'],
    [{ failure: true }, 'FAILED', 'it exited with code 0'],
    [{ internalFailure: true }, 'CRASHED', 'it completed with an internal failure'],
    [{ internalFailure: true, failure: true, exitCode: '1' }, 'CRASHED', 'it completed with an internal failure'],
  ])('with %j is %s', (result, status, reason) => {
    expect(read({ state: 'COMPLETED', ...result })).toEqual(abnormalFinish(status, `task ${taskId}: ${reason}`));
  });

  test('leaves what it put out, and the inputs that it had', () => {
    const result = {
      state: 'COMPLETED',
      botId: 'vm-17',
      duration: 12.5,
      casOutputRoot: { casInstance: 'projects/p/instances/i', digest: { hash: 'ab', sizeBytes: '123' } },
      cipdPins: {
        clientPackage: { packageName: 'infra/tools/cipd/linux-amd64', version: 'c' },
        packages: [{ packageName: 'infra/python/linux-amd64', version: 'd', path: 'bin' }],
      },
    };
    expect(read(result)).toEqual({
      state: 'finished',
      result: {
        data: {
          taskId,
          exitCode: 0,
          durationSeconds: 12.5,
          botId: 'vm-17',
          casOutputRoot: { casInstance: 'projects/p/instances/i', digest: { hash: 'ab', sizeBytes: 123 } },
          cipdPins: [{ packageName: 'infra/python/linux-amd64', version: 'd', path: 'bin' }],
        },
      },
    });
  });

  test('that never ran says whose result it has', () => {
    expect(read({ state: 'COMPLETED', dedupedFrom: '6663cfc78b41fb11' })).toMatchObject({
      result: { data: { dedupedFrom: '6663cfc78b41fb11', exitCode: 0 } },
    });
  });

  test.each<[string, object]>([
    ['duration', { duration: 'Infinity' }],
    ['casOutputRoot', { casOutputRoot: { casInstance: 'projects/p/instances/i' } }],
    ['cipdPins', { cipdPins: { packages: [{ packageName: 1 }] } }],
    ['botId', { botId: ['b'] }],
  ])('succeeds also when its %s cannot be read', (_, part) => {
    expect(read({ state: 'COMPLETED', ...part })).toEqual({
      state: 'finished',
      result: { data: { taskId, exitCode: 0 } },
    });
  });
});

test('a task whose inputs are missing says which, of many the first', () => {
  const missingCipd = Array.from({ length: 12 }, (_, i) => ({ packageName: `p${i}`, version: 'latest', path: '.' }));
  const missingCas = [{ casInstance: 'projects/p/instances/i', digest: { hash: 'ab', sizeBytes: '1' } }];
  expect(read({ state: 'CLIENT_ERROR', missingCas })).toMatchObject({
    result: { abnormalFinish: { status: 'REJECTED', reason: expect.stringMatching(/: missing ab in projects\/p/) } },
  });
  expect(read({ state: 'CLIENT_ERROR', missingCas, missingCipd })).toMatchObject({
    result: {
      abnormalFinish: {
        reason: expect.stringMatching(/missing CIPD package p0 at latest, .*p9 at latest, and 3 more$/),
      },
    },
  });
});

describe('absurd answers give a status that can be stored unchanged:', () => {
  const long = '\u0000\ud800x'.repeat(100_000);
  const short = long.slice(0, 3000);
  const many = Array.from({ length: 100 }, () => ({ packageName: short, version: short, path: short }));
  test.each(TASK_STATES)('%s', state => {
    const absurd = {
      state,
      botId: long,
      dedupedFrom: long,
      exitCode: '0',
      duration: 1e308,
      casOutputRoot: { casInstance: long, digest: { hash: long, sizeBytes: '9223372036854775807' } },
      cipdPins: { packages: many },
      missingCipd: many,
      missingCas: [{ casInstance: long, digest: { hash: long } }],
    };
    const status = statusOf(taskResultSchema.parse({ taskId: long, ...absurd }));
    expect(normalizeStatus(status)).toEqual(status);
    if (status.state === 'finished' && 'data' in status.result) expect(state).toBe('COMPLETED');
  });

  test('pins that are too many are left out, not cut', () => {
    const packages = Array.from({ length: 2000 }, (_, i) => ({
      packageName: `p${i}`,
      version: 'v'.repeat(40),
      path: 'x',
    }));
    const status = read({ state: 'COMPLETED', cipdPins: { packages } });
    expect(status).toEqual({ state: 'finished', result: { data: { taskId, exitCode: 0 } } });
  });
});
