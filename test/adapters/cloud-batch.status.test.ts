import { describe, expect, test } from 'vitest';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { jobSchema, statusOf, taskSchema } from '../../shared/adapters/cloud-batch/status.ts';
import { isTransient } from '../../shared/core/errors.ts';
import { normalizeStatus, type TaskStatus } from '../../shared/core/result.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { createBatch, IMAGE } from '../support/fakes/cloud-batch-adapter.ts';

const NAME = 'projects/acme-jobs/locations/us-central1/jobs/j';
const LOGS = 'https://console.cloud.google.com/logs/query;query=x?project=acme-jobs';

/** What is said of a job that looks like this. */
function said(status: object | undefined, tasks: object[] = [], uid = 'j-uid'): TaskStatus {
  const job = jobSchema.parse({ name: NAME, uid, status });
  const failedTasks = tasks.map(task => taskSchema.parse(task));
  return statusOf({ name: NAME, logs: LOGS, job, failedTasks });
}

const ends = (status: string, reason: RegExp) => ({
  state: 'finished',
  result: { abnormalFinish: { status, reason: expect.stringMatching(reason) } },
});
const event = (description: string, eventTime = '2026-11-24T00:00:00Z') => ({
  type: 'STATUS_CHANGED',
  description,
  eventTime,
});
/** As https://docs.cloud.google.com/batch/docs/troubleshooting has them. */
const failedTask = (exitCode: number, why = '') => ({
  name: `${NAME}/taskGroups/group0/tasks/0`,
  status: {
    state: 'FAILED',
    statusEvents: [
      event('Task state is updated from ASSIGNED to RUNNING on zones/us-central1-a/instances/1'),
      {
        ...event(
          `Task state is updated from RUNNING to FAILED on zones/us-central1-a/instances/1${why} with exit code ${exitCode}.`,
          '2026-11-24T00:10:00Z',
        ),
        taskExecution: { exitCode },
        taskState: 'FAILED',
      },
    ],
  },
});
const jobFailed = (why: string) =>
  event(
    `Job state is set from RUNNING to FAILED for job ${NAME}. Job failed due to task failure. Specifically, task with index 0 ` +
      `failed due to the following task event: "Task state is updated from RUNNING to FAILED on zones/us-central1-a/instances/1${why}."`,
    '2026-11-24T01:00:00Z',
  );
const RAN = { runDuration: '12.25s' };

/** Every state of google.cloud.batch.v1.JobStatus.State, for a job that never ran and for one that ran for 12.25 s. */
const STATES: Record<string, { waited: object; ran: object }> = {
  STATE_UNSPECIFIED: { waited: { state: 'pending' }, ran: { state: 'running' } },
  QUEUED: { waited: { state: 'pending' }, ran: { state: 'pending' } },
  SCHEDULED: { waited: { state: 'pending' }, ran: { state: 'pending' } },
  RUNNING: { waited: { state: 'running' }, ran: { state: 'running' } },
  SUCCEEDED: { waited: { result: { data: { runSeconds: 0 } } }, ran: { result: { data: { runSeconds: 12.25 } } } },
  FAILED: {
    waited: ends('EXPIRED', /before any of its tasks ran/),
    ran: ends('CRASHED', /none of its tasks says why/),
  },
  DELETION_IN_PROGRESS: { waited: { state: 'pending' }, ran: { state: 'running' } },
  CANCELLATION_IN_PROGRESS: { waited: { state: 'pending' }, ran: { state: 'running' } },
  CANCELLED: { waited: ends('CANCELLED', /was cancelled/), ran: ends('CANCELLED', /was cancelled/) },
};

describe('a state of a job', () => {
  test.each(Object.entries(STATES))('%s', (state, { waited, ran }) => {
    expect(said({ state })).toMatchObject(waited);
    expect(said({ state, runDuration: '0s' })).toMatchObject(waited);
    expect(said({ state, ...RAN })).toMatchObject(ran);
  });

  test('that is left out is no end', () => {
    expect(said({})).toEqual({ state: 'pending' });
    expect(said(undefined)).toEqual({ state: 'pending' });
  });

  test.each(['HIBERNATING', 'succeeded', '__proto__', 'constructor', 'toString'])(
    'that nobody has heard of ends it under its name: %s',
    state => expect(said({ state })).toEqual(ends('RESULT_MALFORMED', new RegExp(`unknown state ${state}; logs: `))),
  );
});

describe('a job that succeeded', () => {
  test('leaves where it was and how it ended', () => {
    expect(said({ state: 'SUCCEEDED', ...RAN })).toEqual({
      state: 'finished',
      result: { data: { exitCode: 0, job: NAME, uid: 'j-uid', runSeconds: 12.25, logs: LOGS } },
    });
  });

  test('has succeeded, though the exit code of a preemption still stands on it', () => {
    const statusEvents = [
      jobFailed(' due to Spot Preemption with exit code 50001'),
      ...failedTask(50_001).status.statusEvents,
    ];
    expect(said({ state: 'SUCCEEDED', statusEvents, ...RAN })).toMatchObject({ result: { data: { exitCode: 0 } } });
  });
});

describe('a job that failed', () => {
  const FAILED = { state: 'FAILED', ...RAN };

  test.each<[number, string, RegExp]>([
    [1, 'FAILED', /^a task failed \(exit code 1\); logs: https:\S+; Task state is updated from RUNNING/],
    [125, 'FAILED', /exit code 125/],
    [137, 'FAILED', /exit code 137/],
    [255, 'FAILED', /exit code 255/],
    [-1, 'FAILED', /exit code -1/],
    [256, 'CRASHED', /exit code 256/],
    [50_000, 'CRASHED', /reason that Batch does not name/],
    [50_001, 'PREEMPTED', /Spot VM was preempted \(exit code 50001\)/],
    [50_002, 'CRASHED', /no longer heard of/],
    [50_003, 'CRASHED', /rebooted/],
    [50_004, 'CRASHED', /no longer responded/],
    [50_005, 'TIMED_OUT', /longer than it may/],
    [50_006, 'CRASHED', /recreated/],
    [50_007, 'CRASHED', /exit code 50007/],
  ])('by exit code %i: %s', (exitCode, status, reason) => {
    const viaTasks = said(FAILED, [failedTask(exitCode)]);
    expect(viaTasks).toEqual(ends(status, reason));
    // Where the job's own events have the field, and where only their text says so.
    expect(said({ ...FAILED, statusEvents: failedTask(exitCode).status.statusEvents })).toEqual(viaTasks);
    if (exitCode > 0)
      expect(said({ ...FAILED, statusEvents: [jobFailed(` with exit code ${exitCode}`)] })).toMatchObject(
        ends(status, new RegExp(`exit code ${exitCode}\\b`)),
      );
  });

  test.each<[number[], string]>([
    [[50_001, 50_001], 'PREEMPTED'],
    [[50_001, 50_006], 'CRASHED'],
    [[50_006, 50_005], 'TIMED_OUT'],
    [[50_001, 50_005, 3, 50_002], 'FAILED'],
  ])('by several exit codes %j: what would happen again decides', (exitCodes, status) => {
    const reason = new RegExp([...new Set(exitCodes)].map(code => `(?=.*exit code ${code}\\))`).join(''));
    expect(
      said(
        FAILED,
        exitCodes.map(code => failedTask(code)),
      ),
    ).toEqual(ends(status, reason));
  });

  test('was preempted, though it had not come to run', () => {
    const statusEvents = [
      event(
        'Job state is set from SCHEDULED to FAILED for job j. Job failed due to task failure. Specifically, task with index 0 failed ' +
          'due to the following task event: "Task state is updated from PENDING to FAILED on zones/z/instances/1 due to Spot VM ' +
          'preemption with exit code 50001."',
      ),
    ];
    expect(said({ state: 'FAILED', statusEvents })).toEqual(ends('PREEMPTED', /50001/));
  });

  test.each([
    'VM in Managed Instance Group meets error: Batch Error: code - CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED, description - no c2 left',
    'instance creation failed: Quota CPUS exceeded. Limit: 24.0 in region us-central1',
    'No VM has agent reporting correctly within time window 1080 seconds',
  ])('never started, and its events say why: %s', why => {
    const statusEvents = [
      event(why, '2026-11-24T00:30:00Z'),
      event('Job state is set from QUEUED to SCHEDULED', '2026-11-24T00:00:00Z'),
      event('Job state is set from SCHEDULED to FAILED', '2026-11-24T00:31:00Z'),
    ];
    const status = said({ state: 'FAILED', statusEvents });
    expect(status).toMatchObject(ends('EXPIRED', /before any of its tasks ran; logs: /));
    expect(JSON.stringify(status)).toContain(`SCHEDULED to FAILED; ${why}; Job state`);
  });

  test('ran for as long as Batch allows', () => {
    expect(said({ state: 'FAILED', runDuration: '1209600s' })).toEqual(ends('TIMED_OUT', /as long as Batch allows/));
  });

  test('is asked about its failed tasks', async () => {
    const { started, distributor, service, quest } = await startFailing();
    service.only().tasks.push({ name: 't/0', status: { state: 'SUCCEEDED' } }, failedTask(3), failedTask(50_001));
    expect(await distributor.getStatus(started, quest)).toEqual(ends('FAILED', /exit code 3\).*exit code 50001\)/));
  });

  test.each([403, 404])('has failed all the same when its tasks cannot be read (%i)', async status => {
    const { started, distributor, service, quest } = await startFailing();
    service.fail(/\/tasks\?/, { status, body: { error: { message: 'no' } } });
    expect(await distributor.getStatus(started, quest)).toEqual(ends('PREEMPTED', /50001/));
  });

  test('is asked again when its tasks cannot be read for the moment', async () => {
    const { started, distributor, service, quest } = await startFailing();
    service.fail(/\/tasks\?/, { status: 503, body: 'busy' });
    const error: unknown = await distributor.getStatus(started, quest).catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
  });

  /** Its own events say that it was preempted. */
  async function startFailing() {
    const { service, distributor } = await createBatch();
    const quest = questOf({ distributorParameters: { image: IMAGE, taskCount: 3 } });
    const task = describeTask(quest);
    const { token } = await distributor.run(task);
    service.only().status = { ...FAILED, statusEvents: [jobFailed(' due to Spot Preemption with exit code 50001')] };
    return { started: { executionId: task.executionId, token }, service, distributor, quest };
  }
});

describe('whatever Batch answers', () => {
  const ABSURD = ['\ud800'.repeat(300), '🙂'.repeat(200_000), 'x'.repeat(400_000), '\0\n\u2028', '%', '"'];
  const OTHERS = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'SOMETHING'];

  test.each(OTHERS.flatMap(state => ABSURD.map((text, i) => [state, i, text] as const)))(
    'a status can be stored: %s, text %i',
    async (state, _, text) => {
      const { service, distributor, services } = await createBatch();
      const quest = questOf({ distributorParameters: { image: IMAGE } });
      const task = describeTask(quest);
      const { token } = await distributor.run(task);
      const job = service.only();
      job.uid = text;
      const statusEvents = Array.from(ABSURD.keys(), i => event(`${i}${text.slice(0, 10_000)}`, text.slice(0, 30)));
      job.status = {
        state: `${state}${state === 'SOMETHING' ? text : ''}`,
        statusEvents,
        runDuration: text.slice(0, 100),
      };
      const status = await distributor.getStatus({ executionId: task.executionId, token }, quest);
      expect(status.state).toBe('finished');
      expect(normalizeStatus(status)).toEqual(status);
      expect(JSON.stringify(status).isWellFormed()).toBe(true);
      expect(JSON.stringify(status).length).toBeLessThan(20_000);
      expect(services.tasks).toEqual([]);
    },
  );

  test('a job that is forgotten, or that is somebody else’s, is a final error', async () => {
    const { service, distributor, nameOf } = await createBatch();
    const quest = questOf({ distributorParameters: { image: IMAGE } });
    const { executionId } = describeTask(quest);
    const { token } = await distributor.run(describeTask(quest));
    const asked = service.requests.length;
    for (const other of [
      '',
      `${token}x`,
      nameOf('mine'),
      token.replace('acme-jobs', 'another'),
      executionName(executionId),
    ])
      await expect(distributor.getStatus({ executionId, token: other }, quest)).rejects.toThrow(
        'no job was started under this',
      );
    expect(service.requests.length).toBe(asked);

    service.forget(token);
    const error: unknown = await distributor
      .getStatus({ executionId, token }, quest)
      .catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(false);
    expect(error).toMatchObject({
      status: 404,
      message: expect.stringMatching(/jobs\/\S+ answered 404: .* was not found/),
    });
  });
});
