import { describe, expect, test } from 'vitest';
import { statusOf, type Task, taskSchema } from '../../shared/adapters/tes/status.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { normalizeStatus, type TaskStatus } from '../../shared/core/result.ts';
import { TES_STATES } from '../support/fakes/tes.ts';

/** A task as a server tells it. */
const parse = (task: object): Task => taskSchema.parse({ id: 'd4hb7k2s', ...task });
const status = (task: object): TaskStatus => statusOf(parse(task));
const abnormal = (name: string, reason: string) => ({
  state: 'finished',
  result: { abnormalFinish: { status: name, reason: `task d4hb7k2s: ${reason}` } },
});
const dataOf = (task: object) => {
  const given = status({ state: 'COMPLETE', ...task });
  return given.state === 'finished' && 'data' in given.result ? given.result.data : expect.fail('no data');
};

describe('every state of a TES task', () => {
  const rows: Record<Exclude<(typeof TES_STATES)[number], 'UNKNOWN'>, object> = {
    QUEUED: { state: 'pending' },
    INITIALIZING: { state: 'pending' },
    RUNNING: { state: 'running' },
    PAUSED: { state: 'running' },
    CANCELING: { state: 'running' },
    COMPLETE: { state: 'finished', result: { data: { taskId: 'd4hb7k2s', outputs: [] } } },
    EXECUTOR_ERROR: abnormal('FAILED', 'an executor failed, and the server does not say how'),
    SYSTEM_ERROR: abnormal('CRASHED', 'the TES server could not run it'),
    PREEMPTED: abnormal('PREEMPTED', 'the TES server took its machine away'),
    CANCELED: abnormal('CANCELLED', 'it was cancelled at the TES server'),
  };

  test.each(TES_STATES.filter(state => state !== 'UNKNOWN'))('%s', state => {
    expect(status({ state })).toEqual(rows[state]);
  });

  test.each([{ state: 'UNKNOWN' }, { state: null }, {}])('%j is no end: ask again', task => {
    expect(() => status(task)).toThrow(TransientError);
    expect(() => status(task)).toThrow('does not know the state of task d4hb7k2s');
  });

  test.each(['EVICTED', 'constructor', '', 'complete'])('%j, of which nobody has heard, is RESULT_MALFORMED', state => {
    expect(status({ state })).toEqual(
      abnormal('RESULT_MALFORMED', `its state is "${state}", which TES 1.1 does not have`),
    );
  });
});

describe('the data of a COMPLETE task', () => {
  test('is its exit code, its files and what the server says of where it ran', () => {
    const log = {
      logs: [{ exit_code: 0, stdout: 'a lot' }],
      outputs: [{ url: 's3://b/out', path: '/out', size_bytes: '9007199254740993' }],
      metadata: { host: 'worker-1', cost: 17 },
      start_time: '2026-11-24T00:00:00Z',
      end_time: '2026-11-24T01:00:00Z',
      system_logs: ['pulled the image'],
    };
    expect(dataOf({ logs: [log] })).toEqual({
      taskId: 'd4hb7k2s',
      exitCode: 0,
      outputs: [{ url: 's3://b/out', path: '/out', sizeBytes: '9007199254740993' }],
      metadata: { host: 'worker-1' },
      startTime: '2026-11-24T00:00:00Z',
      endTime: '2026-11-24T01:00:00Z',
    });
  });

  test('has the exit code of every executor: one may be told to ignore its error', () => {
    expect(dataOf({ logs: [{ logs: [{ exit_code: 3 }, { exit_code: 0 }] }] })).toMatchObject({
      exitCode: 0,
      exitCodes: [3, 0],
    });
  });

  test('is that of the last time that the server tried', () => {
    expect(dataOf({ logs: [{ logs: [{ exit_code: 1 }] }, { logs: [{ exit_code: 0 }] }] })).toMatchObject({
      exitCode: 0,
    });
  });

  test.each([{}, { exit_code: null }])('has 0 for an executor of which the server says %j', log => {
    expect(dataOf({ logs: [{ logs: [log] }] })).toMatchObject({ exitCode: 0 });
  });

  test('has sizes as text, also where the server tells numbers', () => {
    const output = { url: 'gs://b/o', path: '/o', size_bytes: 17 };
    expect(dataOf({ logs: [{ outputs: [output] }] })).toMatchObject({ outputs: [{ sizeBytes: '17' }] });
  });

  test.each([
    ['no logs', { logs: null }],
    ['logs that are none', { logs: 'none' }],
    ['a log without anything', { logs: [{}] }],
    ['an exit code that is a text', { logs: [{ logs: [{ exit_code: 'zero' }] }] }],
    ['outputs without a URL', { logs: [{ outputs: [{ path: '/x' }] }] }],
    ['nothing where something should be', { logs: [{ logs: null, outputs: null, metadata: null, end_time: null }] }],
  ])('bears %s: that it is complete counts', (_, task) => {
    expect(dataOf(task)).toMatchObject({ taskId: 'd4hb7k2s', outputs: [] });
  });
});

describe('the reason of a failure', () => {
  const failure = (log: object, state = 'EXECUTOR_ERROR') => {
    const { result } = status({ state, logs: [{ logs: [{ exit_code: 1 }] }, log] }) as Extract<
      TaskStatus,
      { state: 'finished' }
    >;
    return 'abnormalFinish' in result ? result.abnormalFinish.reason : expect.fail('no failure');
  };

  test.each<[string, object, string]>([
    [
      'the executor that failed, its code, and the end of its stderr',
      { logs: [{ exit_code: 0 }, { exit_code: 3, stdout: 'hi', stderr: 'no such file:\n  /data/in\n' }] },
      'executor 2 exited with code 3: no such file: /data/in',
    ],
    [
      'stdout where there is no stderr: TESK keeps one log',
      { logs: [{ exit_code: 137, stdout: 'Killed', stderr: '' }] },
      'executor 1 exited with code 137: Killed',
    ],
    [
      'the last that failed where earlier ones were ignored',
      { logs: [{ exit_code: 1 }, { exit_code: 2 }] },
      'executor 2 exited with code 2',
    ],
    [
      'the system logs where there is no exit code',
      { logs: [{ exit_code: null }], system_logs: ['image not found', 'gave up'] },
      'an executor failed, and the server does not say how: image not found gave up',
    ],
  ])('names %s', (_, log, reason) => {
    expect(failure(log)).toBe(`task d4hb7k2s: ${reason}`);
  });

  test.each(['SYSTEM_ERROR', 'PREEMPTED'])('of %s holds what the system logged', state => {
    expect(failure({ system_logs: ['disk is full'] }, state)).toMatch(/: disk is full$/);
  });

  test('holds the end of a long log, where errors stand', () => {
    const reason = failure({ logs: [{ exit_code: 1, stderr: `${'noise '.repeat(100_000)}the error` }] });
    expect(reason).toMatch(/: ….*the error$/);
    expect(reason.length).toBeLessThan(2000);
  });
});

describe('what a server tells, however absurd, is a status that is stored unchanged:', () => {
  const huge = 'ü'.repeat(300_000);
  const outputs = (n: number, url = 's3://bucket/') =>
    Array.from({ length: n }, (_, i) => ({ url: `${url}${i}`, path: `/out/${i}`, size_bytes: `${i}` }));

  test.each<[string, object]>([
    ['5,000 outputs', { logs: [{ outputs: outputs(5000) }] }],
    ['an output with a long URL', { logs: [{ outputs: [...outputs(1, huge), ...outputs(1)] }] }],
    ['300 KB of metadata', { logs: [{ metadata: { a: huge, b: 'b' } }] }],
    ['10,000 executors', { logs: [{ logs: Array.from({ length: 10_000 }, () => ({ exit_code: 1 })) }] }],
    ['300 KB of times', { logs: [{ start_time: huge, end_time: huge }] }],
    ['an endless id', { id: huge }],
    [
      'half characters',
      {
        id: '\ud800',
        logs: [
          {
            logs: [{ exit_code: 1, stderr: '\udc00 \ud800' }],
            outputs: [{ url: '\ud800', path: '\ud800', size_bytes: '\ud800' }],
            metadata: { '\ud800': '\ud800' },
            start_time: '\ud800',
            system_logs: ['\ud800'],
          },
        ],
      },
    ],
    ['names of the language', { logs: [{ metadata: JSON.parse('{"__proto__": "x", "constructor": "y"}') as object }] }],
  ])('%s', (_, task) => {
    for (const state of [...TES_STATES.filter(one => one !== 'UNKNOWN'), 'EVICTED', huge, '\ud800']) {
      const given = status({ state, ...task });
      expect(normalizeStatus(given)).toEqual(given);
      expect(given).not.toMatchObject({
        result: { abnormalFinish: { reason: expect.stringContaining('bytes of JSON') } },
      });
    }
  });

  test('files that do not fit are counted', () => {
    const { outputs: kept, outputsLeftOut } = dataOf({ logs: [{ outputs: outputs(5000) }] });
    expect((kept as unknown[]).length + Number(outputsLeftOut)).toBe(5000);
    expect(kept).toHaveProperty('length', expect.any(Number));
    expect((kept as unknown[]).length).toBeGreaterThan(1000);
  });
});
