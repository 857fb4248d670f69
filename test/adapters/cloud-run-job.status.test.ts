import { describe, expect, test } from 'vitest';
import type { CloudRunExecution, CloudRunTask } from '../../shared/adapters/cloud-run-job/resources.ts';
import { isOver, needsTasks, statusOf } from '../../shared/adapters/cloud-run-job/status.ts';
import {
  type AbnormalStatus,
  MAX_REASON_CHARACTERS,
  normalizeStatus,
  type TaskStatus,
} from '../../shared/core/result.ts';
import { at } from '../support/fakes/cloud-run-job.ts';

/** The published enums: https://github.com/googleapis/googleapis/blob/master/google/cloud/run/v2/condition.proto */
const STATES = [
  'STATE_UNSPECIFIED',
  'CONDITION_PENDING',
  'CONDITION_RECONCILING',
  'CONDITION_FAILED',
  'CONDITION_SUCCEEDED',
] as const;

const EXECUTION_REASONS = {
  EXECUTION_REASON_UNDEFINED: 'FAILED',
  JOB_STATUS_SERVICE_POLLING_ERROR: 'CRASHED',
  NON_ZERO_EXIT_CODE: 'FAILED',
  CANCELLED: 'CANCELLED',
  CANCELLING: 'CANCELLED',
  DELETED: 'MISSING',
  DELAYED_START_PENDING: 'EXPIRED',
} as const satisfies Record<string, AbnormalStatus>;

const COMMON_REASONS = {
  COMMON_REASON_UNDEFINED: 'FAILED',
  UNKNOWN: 'FAILED',
  REVISION_FAILED: 'FAILED',
  PROGRESS_DEADLINE_EXCEEDED: 'EXPIRED',
  CONTAINER_MISSING: 'REJECTED',
  CONTAINER_PERMISSION_DENIED: 'REJECTED',
  CONTAINER_IMAGE_UNAUTHORIZED: 'REJECTED',
  CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED: 'CRASHED',
  ENCRYPTION_KEY_PERMISSION_DENIED: 'REJECTED',
  ENCRYPTION_KEY_CHECK_FAILED: 'CRASHED',
  SECRETS_ACCESS_CHECK_FAILED: 'REJECTED',
  WAITING_FOR_OPERATION: 'CRASHED',
  IMMEDIATE_RETRY: 'CRASHED',
  POSTPONED_RETRY: 'CRASHED',
  INTERNAL: 'CRASHED',
} as const satisfies Record<string, AbnormalStatus>;

/** Reasons that say that Cloud Run goes on by itself. */
const GOING_ON: readonly string[] = [
  'JOB_STATUS_SERVICE_POLLING_ERROR',
  'CANCELLING',
  'DELAYED_START_PENDING',
  'WAITING_FOR_OPERATION',
  'IMMEDIATE_RETRY',
  'POSTPONED_RETRY',
];

type Condition = NonNullable<CloudRunExecution['conditions']>[number];

const NAME = 'projects/p/locations/l/jobs/render/executions/render-abcde';

function execution(completed: Partial<Condition>, part: Partial<CloudRunExecution> = {}): CloudRunExecution {
  const others: Condition[] = [
    { type: 'ResourcesAvailable', state: 'CONDITION_SUCCEEDED' },
    { type: 'Retry', state: 'CONDITION_SUCCEEDED', reason: 'IMMEDIATE_RETRY' },
  ];
  return { name: NAME, taskCount: 1, conditions: [...others, { type: 'Completed', ...completed }], ...part };
}

const ended = { startTime: at(5), completionTime: at(90) };
const failed = (completed: Partial<Condition> = {}, part: Partial<CloudRunExecution> = {}) =>
  execution({ state: 'CONDITION_FAILED', ...completed }, { ...ended, ...part });

/** What has begun cannot expire. */
const endedAs = (kind: AbnormalStatus, completed: Partial<Condition>) =>
  kind === 'EXPIRED'
    ? execution({ state: 'CONDITION_FAILED', ...completed }, { completionTime: ended.completionTime })
    : failed(completed);

/** `running`, `pending`, `data`, or the status of an abnormal finish. */
function kindOf(status: TaskStatus): string {
  expect(normalizeStatus(status)).toEqual(status);
  if (status.state !== 'finished') return status.state;
  return 'data' in status.result ? 'data' : status.result.abnormalFinish.status;
}

function reasonOf(status: TaskStatus): string {
  if (status.state !== 'finished' || !('abnormalFinish' in status.result)) return expect.fail('is no abnormal finish');
  return status.result.abnormalFinish.reason;
}

describe('an execution is', () => {
  test('pending before it has a condition', () => {
    expect(kindOf(statusOf({ name: NAME }))).toBe('pending');
    expect(kindOf(statusOf({ name: NAME, conditions: [{ type: 'Started', state: 'CONDITION_FAILED' }] }))).toBe(
      'pending',
    );
  });

  const WITHOUT_REASON = {
    STATE_UNSPECIFIED: 'running',
    CONDITION_PENDING: 'running',
    CONDITION_RECONCILING: 'running',
    CONDITION_FAILED: 'FAILED',
    CONDITION_SUCCEEDED: 'data',
  } as const;

  test.each(STATES)('mapped by the state %s', state => {
    expect(kindOf(statusOf(execution({ state }, ended)))).toBe(WITHOUT_REASON[state]);
  });

  const begun: Partial<CloudRunExecution>[] = [
    { startTime: at(5) },
    { runningCount: 1 },
    { succeededCount: 1 },
    { failedCount: 1 },
  ];
  for (const state of STATES.filter(name => WITHOUT_REASON[name] === 'running')) {
    test(`pending in ${state} until something has begun`, () => {
      expect(kindOf(statusOf(execution({ state })))).toBe('pending');
      for (const part of begun) expect(kindOf(statusOf(execution({ state }, part)))).toBe('running');
    });

    test(`under way in ${state}, whatever the reason`, () => {
      for (const executionReason of [...Object.keys(EXECUTION_REASONS), 'BORED'])
        expect(kindOf(statusOf(execution({ state, executionReason }, { startTime: at(5) })))).toBe('running');
      for (const reason of Object.keys(COMMON_REASONS))
        expect(kindOf(statusOf(execution({ state, reason })))).toBe('pending');
    });
  }

  test('finished and malformed in a state that nobody has heard of', () => {
    for (const state of ['CONDITION_PAUSED', 'constructor', 'toString']) {
      const status = statusOf(execution({ state }, ended));
      expect(kindOf(status)).toBe('RESULT_MALFORMED');
      expect(reasonOf(status)).toContain(state);
    }
  });

  test.each(Object.entries(EXECUTION_REASONS))('failed for the executionReason %s: %s', (executionReason, kind) => {
    const status = statusOf(endedAs(kind, { executionReason, message: 'it says so' }));
    expect(kindOf(status)).toBe(kind);
    expect(reasonOf(status)).toMatch(/it says so/);
    expect(reasonOf(status)).toContain(executionReason);
  });

  test.each(Object.entries(COMMON_REASONS))('failed for the reason %s: %s', (reason, kind) => {
    expect(kindOf(statusOf(endedAs(kind, { reason })))).toBe(kind);
  });

  test('failed for a reason that nobody has heard of: FAILED, and its name is told', () => {
    for (const executionReason of ['OUT_OF_LUCK', 'constructor']) {
      const status = statusOf(failed({ executionReason }));
      expect(kindOf(status)).toBe('FAILED');
      expect(reasonOf(status)).toContain(executionReason);
    }
  });

  test.each(GOING_ON)('not finished while Cloud Run goes on by itself (%s)', reason => {
    const field = Object.hasOwn(EXECUTION_REASONS, reason) ? 'executionReason' : 'reason';
    const status = statusOf(execution({ state: 'CONDITION_FAILED', [field]: reason }, { startTime: at(5) }));
    expect(kindOf(status)).toBe('running');
    expect(kindOf(statusOf(execution({ state: 'CONDITION_FAILED', [field]: reason })))).toBe('pending');
  });

  test('timed out, not expired, when the deadline passed after its beginning', () => {
    expect(kindOf(statusOf(failed({ reason: 'PROGRESS_DEADLINE_EXCEEDED' })))).toBe('TIMED_OUT');
  });
});

describe('a cancelled execution is neither a success nor a failure', () => {
  test.each<[string, CloudRunExecution]>([
    ['by its reason', failed({ executionReason: 'CANCELLED' }, { failedCount: 1, cancelledCount: 3 })],
    ['by its tasks, without a reason', failed({}, { cancelledCount: 3 })],
    [
      'by its tasks, although it succeeded',
      execution({ state: 'CONDITION_SUCCEEDED' }, { ...ended, cancelledCount: 1 }),
    ],
  ])('%s', (_, one) => expect(kindOf(statusOf(one))).toBe('CANCELLED'));

  test('but one whose other tasks were cancelled because a task failed has failed', () => {
    const part = { taskCount: 7, failedCount: 1, cancelledCount: 6 };
    expect(kindOf(statusOf(failed({ executionReason: 'NON_ZERO_EXIT_CODE' }, part)))).toBe('FAILED');
    expect(kindOf(statusOf(failed({ executionReason: 'NON_ZERO_EXIT_CODE' }, { cancelledCount: 6 })))).toBe('FAILED');
    expect(kindOf(statusOf(failed({}, part)))).toBe('FAILED');
  });
});

describe('the tasks of an execution that failed tell', () => {
  const TIMEOUT = 'The configured timeout was reached.';
  const attempt = (lastAttemptResult: CloudRunTask['lastAttemptResult'], part: Partial<CloudRunTask> = {}) => [
    { lastAttemptResult, ...part },
  ];

  test.each<[string, CloudRunExecution, CloudRunTask[]]>([
    [
      'the execution says so',
      failed({ executionReason: 'NON_ZERO_EXIT_CODE', message: `Task t failed with message: ${TIMEOUT}` }),
      [],
    ],
    ['a task says so', failed(), attempt({ termSignal: 9, status: { code: 2, message: TIMEOUT } })],
    ['its code says so', failed(), attempt({ status: { code: 4 } })],
    [
      'the clock says so',
      failed({}, { template: { timeout: '60s' } }),
      attempt({ termSignal: 9 }, { startTime: at(10), completionTime: at(70) }),
    ],
  ])('that it overran: %s', (_, one, tasks) => expect(kindOf(statusOf(one, tasks))).toBe('TIMED_OUT'));

  test.each<[string, CloudRunTask[]]>([
    ['an exit code', attempt({ exitCode: 3, status: { code: 13 } }, { startTime: at(10), completionTime: at(700) })],
    [
      'a signal in time',
      attempt({ termSignal: 9, status: { code: 14 } }, { startTime: at(10), completionTime: at(69) }),
    ],
    ['a signal at no time', attempt({ termSignal: 9 })],
    ['nothing', []],
    ['nothing of one of them', [{}]],
    ['memory', attempt({ status: { code: 8, message: 'Memory limit of 512 MiB exceeded' } })],
  ])('that it failed by itself: %s', (_, tasks) =>
    expect(kindOf(statusOf(failed({}, { template: { timeout: '60s' } }), tasks))).toBe('FAILED'),
  );

  test.each([13, 14])('that the infrastructure failed: code %i', code => {
    expect(kindOf(statusOf(failed(), attempt({ status: { code, message: 'lost' } })))).toBe('CRASHED');
  });

  test('a person what happened, and where to look', () => {
    const status = statusOf(
      failed(
        { executionReason: 'NON_ZERO_EXIT_CODE', message: 'Task render-abcde-task3 failed.' },
        { taskCount: 10, failedCount: 2, cancelledCount: 1, logUri: 'https://console.cloud.google.com/logs/x' },
      ),
      [
        { lastAttemptResult: { status: {} } },
        {
          index: 3,
          lastAttemptResult: { exitCode: 7, status: { code: 10, message: 'The container exited with an error.' } },
        },
        { index: 4, lastAttemptResult: { termSignal: 11 } },
      ],
    );
    expect(reasonOf(status)).toBe(
      'Task render-abcde-task3 failed.; (NON_ZERO_EXIT_CODE, 2 of 10 tasks failed, 1 of 10 tasks cancelled); ' +
        'task 3: exit code 7, The container exited with an error.; task 4: signal 11; ' +
        'logs: https://console.cloud.google.com/logs/x',
    );
  });
});

describe('a good end', () => {
  const SUCCEEDED = execution(
    { state: 'CONDITION_SUCCEEDED' },
    {
      ...ended,
      taskCount: 3,
      succeededCount: 3,
      logUri: 'https://console.cloud.google.com/logs/x',
      template: { containers: [{ image: 'host/image@sha256:0123' }, { name: 'side', image: 'host/side@sha256:4567' }] },
    },
  );

  test('leaves the exit code, the pinned images and where the logs are', () => {
    expect(statusOf(SUCCEEDED)).toEqual({
      state: 'finished',
      result: {
        data: {
          execution: NAME,
          exitCode: 0,
          taskCount: 3,
          images: ['host/image@sha256:0123', 'host/side@sha256:4567'],
          startTime: at(5),
          completionTime: at(90),
          logUri: 'https://console.cloud.google.com/logs/x',
        },
      },
    });
  });

  test('leaves little where the service says little', () => {
    expect(statusOf({ name: NAME, conditions: [{ type: 'Completed', state: 'CONDITION_SUCCEEDED' }] })).toEqual({
      state: 'finished',
      result: { data: { execution: NAME, exitCode: 0, taskCount: 1, images: [] } },
    });
  });
});

test('whatever the texts of the service, the status can be stored and read', () => {
  for (const text of ['', '\0', '\ud800', '\u2028', '"', 'x'.repeat(400_000), '\ud83d\ude00'.repeat(200_000)]) {
    const containers = Array.from({ length: 300 }, () => ({ image: text }));
    const part = {
      name: text,
      logUri: text,
      startTime: text,
      completionTime: text,
      template: { containers, timeout: text },
    };
    const tasks = Array.from({ length: 300 }, (_, index) => ({
      index,
      startTime: text,
      completionTime: text,
      lastAttemptResult: { exitCode: 1, status: { code: 2, message: text } },
    }));
    for (const state of [...STATES, text])
      for (const executionReason of ['NON_ZERO_EXIT_CODE', text]) {
        const status = statusOf(execution({ state, executionReason, message: text }, part), tasks);
        const kind = kindOf(status);
        if (status.state !== 'finished' || kind === 'data') continue;
        expect(reasonOf(status).isWellFormed()).toBe(true);
        expect(reasonOf(status).length).toBeLessThanOrEqual(MAX_REASON_CHARACTERS);
      }
  }
});

test('only a failure needs its tasks, and only what goes on needs to be stopped', () => {
  const table: [CloudRunExecution, { needsTasks: boolean; isOver: boolean }][] = [
    [{ name: NAME }, { needsTasks: false, isOver: false }],
    [execution({ state: 'CONDITION_RECONCILING' }), { needsTasks: false, isOver: false }],
    [execution({ state: 'CONDITION_RECONCILING', executionReason: 'CANCELLING' }), { needsTasks: false, isOver: true }],
    [execution({ state: 'CONDITION_SUCCEEDED' }), { needsTasks: false, isOver: true }],
    [failed(), { needsTasks: true, isOver: true }],
    [failed({ executionReason: 'NON_ZERO_EXIT_CODE' }), { needsTasks: true, isOver: true }],
    [failed({ executionReason: 'OUT_OF_LUCK' }), { needsTasks: true, isOver: true }],
    [failed({ executionReason: 'CANCELLED' }), { needsTasks: false, isOver: true }],
    [execution({ state: 'CONDITION_FAILED', executionReason: 'CANCELLING' }), { needsTasks: false, isOver: true }],
    [execution({ state: 'CONDITION_FAILED', reason: 'POSTPONED_RETRY' }), { needsTasks: false, isOver: false }],
  ];
  for (const [one, expected] of table) expect({ needsTasks: needsTasks(one), isOver: isOver(one) }).toEqual(expected);
});
