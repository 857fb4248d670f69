import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cloudRunJobType } from '../../shared/adapters/cloud-run-job/index.ts';
import { executionOfEntry, pageOf } from '../../shared/adapters/cloud-run-job/names.ts';
import type { ExecutionId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { parseWith } from '../../shared/core/validation.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { LOCATION, PROJECT, serveCloudRun } from '../support/fakes/cloud-run-job.ts';
import { fakeServices } from '../support/services.ts';

const message = (entry: unknown) => ({
  data: typeof entry === 'string' ? entry : JSON.stringify(entry),
  attributes: {},
});

/**
 * As a log sink publishes the end of an execution, in the form of v1. Fields as in a real entry:
 * https://github.com/planqtn/planqtn/blob/3e4bca86a36602c94474f01e5602c8685fdc2bb1/planqtn_jobs/test_files/failure.json
 */
const endOf = (
  name: string,
  id: string,
  env: JsonObject[] = [{ name: 'DISTRIBUTOR_EXECUTION', value: id }],
): JsonObject => ({
  insertId: '-s2vtedfvva',
  labels: { 'run.googleapis.com/execution_name': name },
  logName: `projects/${PROJECT}/logs/cloudaudit.googleapis.com%2Fsystem_event`,
  protoPayload: {
    '@type': 'type.googleapis.com/google.cloud.audit.AuditLog',
    methodName: '/Jobs.RunJob',
    resourceName: `namespaces/${PROJECT}/executions/${name}`,
    response: {
      '@type': 'type.googleapis.com/google.cloud.run.v1.Execution',
      apiVersion: 'run.googleapis.com/v1',
      kind: 'Execution',
      metadata: { name, namespace: '73220634109', labels: { 'run.googleapis.com/job': 'render' } },
      spec: {
        parallelism: 1,
        taskCount: 1,
        template: { spec: { containers: [{ args: ['--x'], env, image: 'host/render@sha256:01' }], maxRetries: 0 } },
      },
      status: { conditions: [{ type: 'Completed', status: 'True' }], succeededCount: 1 },
    },
    serviceName: 'run.googleapis.com',
    status: { message: `Execution ${name} has completed successfully.` },
  },
  resource: { labels: { job_name: 'render', location: LOCATION, project_id: PROJECT }, type: 'cloud_run_job' },
  severity: 'INFO',
});

/** The start, as it is audited: an entry that names no execution of Cloud Run's yet. */
const startOf = (id: string): JsonObject => ({
  logName: `projects/${PROJECT}/logs/cloudaudit.googleapis.com%2Factivity`,
  protoPayload: {
    methodName: 'google.cloud.run.v2.Jobs.RunJob',
    request: { overrides: { containerOverrides: [{ env: [{ name: 'DISTRIBUTOR_EXECUTION', value: id }] }] } },
    resourceName: `projects/${PROJECT}/locations/${LOCATION}/jobs/render`,
  },
});

async function setUp() {
  const service = await serveCloudRun();
  const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret' });
  const config = { endpoint: service.url, project: PROJECT, location: LOCATION, jobs: ['render'], topic: 'ends' };
  const distributor = cloudRunJobType.create(parseWith(cloudRunJobType.configSchema, config, 'config'), services);
  const quest = questOf({ distributorParameters: { job: 'render' } });
  const task = describeTask(quest);
  const { token } = await distributor.run(task);
  const { executionId } = task;
  const notify = (entry: unknown, id: ExecutionId = executionId) =>
    distributor.handleNotification({ executionId: id, ...message(entry) }, quest);
  return { service, distributor, quest, executionId, token, name: token.split('/').at(-1)!, notify };
}

const ID = describeTask(questOf()).executionId;

describe('the execution of a log entry', () => {
  test.each<[string, unknown]>([
    ['of an end', endOf('render-abcde', ID)],
    [
      'of an end, among other variables',
      endOf('r', ID, [
        { name: 'A', value: 'DISTRIBUTOR_EXECUTION' },
        { value: ID, name: 'DISTRIBUTOR_EXECUTION' },
      ]),
    ],
    ['of a start', startOf(ID)],
    [
      'in a form of v2',
      {
        protoPayload: {
          response: { template: { containers: [{ env: [{ name: 'DISTRIBUTOR_EXECUTION', value: ID }] }] } },
        },
      },
    ],
  ])('%s', (_, entry) => expect(executionOfEntry(message(entry))).toBe(ID));

  test.each<[string, unknown]>([
    ['of another job', endOf('other-abcde', ID, [{ name: 'OTHER', value: ID }])],
    ['without variables', endOf('other-abcde', ID, [])],
    [
      'with a secret for a variable',
      endOf('r', ID, [{ name: 'DISTRIBUTOR_EXECUTION', valueFrom: { secretKeyRef: {} } }]),
    ],
    ['with another value', endOf('r', 'not-an-execution')],
    [
      'with parameters that name one',
      endOf('r', ID, [{ name: 'QUEST_PARAMETERS', value: JSON.stringify(startOf(ID)) }]),
    ],
    ['in no JSON', `DISTRIBUTOR_EXECUTION ${ID}`],
    ['in half a JSON', JSON.stringify(startOf(ID)).slice(0, -3)],
    ['far too deep', `${'['.repeat(200_000)}"DISTRIBUTOR_EXECUTION"`],
    ['among far too much', [...Array.from({ length: 20_000 }, () => 'DISTRIBUTOR_EXECUTION'), startOf(ID)]],
    ['', ''],
  ])('%s is nobody’s', (_, entry) => expect(executionOfEntry(message(entry))).toBeUndefined());

  test('is looked for in anything, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (json, place) => {
        const at = place % (json.length + 1);
        const text = `${json.slice(0, at)}"DISTRIBUTOR_EXECUTION"${json.slice(at)}`;
        for (const data of [json, text]) expect(executionOfEntry(message(data))).toBeUndefined();
      }),
    );
  });
});

describe('a notification', () => {
  test('leads to the execution itself', async () => {
    const { service, name, token, executionId, notify } = await setUp();
    // What the entry says of the end is not believed.
    expect(await notify(endOf(name, executionId))).toEqual({ state: 'pending' });
    service.succeed(token);
    expect(await notify(endOf(name, executionId))).toMatchObject({
      state: 'finished',
      result: { data: { execution: token } },
    });
  });

  test('that names the execution of somebody else says nothing', async () => {
    const { distributor, quest, name, notify } = await setUp();
    const other = describeTask(quest, { execution: 2 });
    await distributor.run(other);
    expect(await notify(endOf(name, other.executionId), other.executionId)).toBeUndefined();
  });

  test('that names an execution that is gone, or none, says nothing', async () => {
    const { executionId, notify } = await setUp();
    for (const entry of [
      endOf('render-zzzzz', executionId),
      startOf(executionId),
      endOf('../../x', executionId),
      '',
      'null',
      '{"labels":7}',
    ])
      expect(await notify(entry)).toBeUndefined();
  });

  test('whose execution cannot be asked is delivered again', async () => {
    const { service, name, executionId, notify } = await setUp();
    service.fail(/^GET/, { status: 503 });
    await expect(notify(endOf(name, executionId))).rejects.toThrow('503');
  });
});

test('the page of an execution is in the console', () => {
  const page = pageOf(`projects/${PROJECT}/locations/${LOCATION}/jobs/render/executions/render-abcde`);
  expect(page).toBe(
    `https://console.cloud.google.com/run/jobs/executions/details/${LOCATION}/render-abcde?project=${PROJECT}`,
  );
  expect(pageOf('projects/p/locations/l/jobs/j/executions/"><script>')).toBeUndefined();
});
