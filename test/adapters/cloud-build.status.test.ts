import { describe, expect, test } from 'vitest';
import { type Build, buildSchema, statusOf } from '../../shared/adapters/cloud-build/status.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { normalizeStatus, type TaskStatus } from '../../shared/core/result.ts';

const LOG = 'https://console.cloud.google.com/cloud-build/builds;region=us-central1/b-1?project=1';

const build = (part: JsonObject): Build => buildSchema.parse({ id: 'b-1', ...part });
const reasonOf = (part: JsonObject): string => {
  const status = statusOf(build(part));
  return 'result' in status && 'abnormalFinish' in status.result ? status.result.abnormalFinish.reason : '';
};

/** Build.Status of cloudbuild.proto, all of it. */
const STATUSES: Record<string, string> = {
  STATUS_UNKNOWN: 'pending',
  PENDING: 'pending',
  QUEUED: 'pending',
  WORKING: 'running',
  SUCCESS: 'data',
  FAILURE: 'FAILED',
  INTERNAL_ERROR: 'CRASHED',
  TIMEOUT: 'TIMED_OUT',
  CANCELLED: 'CANCELLED',
  EXPIRED: 'EXPIRED',
};

/** Build.FailureInfo.FailureType of cloudbuild.proto, all of it. */
const FAILURES: Record<string, string> = {
  FAILURE_TYPE_UNSPECIFIED: 'FAILED',
  PUSH_FAILED: 'CRASHED',
  PUSH_IMAGE_NOT_FOUND: 'FAILED',
  PUSH_NOT_AUTHORIZED: 'REJECTED',
  LOGGING_FAILURE: 'CRASHED',
  USER_BUILD_STEP: 'FAILED',
  FETCH_SOURCE_FAILED: 'CRASHED',
};

function meaning(status: TaskStatus): string {
  if (status.state !== 'finished') return status.state;
  return 'data' in status.result ? 'data' : status.result.abnormalFinish.status;
}

describe('the status of a build', () => {
  test.each(Object.entries(STATUSES))('%s means %s', (status, expected) => {
    expect(meaning(statusOf(build({ status })))).toBe(expected);
  });

  test.each(Object.entries(FAILURES))('FAILURE with %s means %s', (type, expected) => {
    expect(meaning(statusOf(build({ status: 'FAILURE', failureInfo: { type } })))).toBe(expected);
  });

  test.each(Object.entries(STATUSES).filter(([status]) => status !== 'FAILURE'))(
    '%s decides, whatever failureInfo says',
    (status, expected) => {
      const failureInfo = { type: 'PUSH_NOT_AUTHORIZED', detail: 'denied' };
      expect(meaning(statusOf(build({ status, failureInfo })))).toBe(expected);
    },
  );

  test('an absent one is the zero value', () => {
    expect(statusOf(build({}))).toEqual({ state: 'pending' });
  });

  test.each(['PAUSED', 'toString', '__proto__', 'success', ''])('%j, which nobody has heard of, is named', status => {
    expect(meaning(statusOf(build({ status })))).toBe('RESULT_MALFORMED');
    expect(reasonOf({ status })).toContain(`not known here: ${status}`.trim());
  });

  test('a failure of a kind that nobody has heard of is a failure, and named', () => {
    expect(meaning(statusOf(build({ status: 'FAILURE', failureInfo: { type: 'constructor' } })))).toBe('FAILED');
    expect(reasonOf({ status: 'FAILURE', failureInfo: { type: 'SOLAR_FLARE' } })).toBe('the build failed: SOLAR_FLARE');
  });
});

describe('the reason', () => {
  test('says which step failed and how, what the service says, and where the log is', () => {
    expect(
      reasonOf({
        status: 'FAILURE',
        statusDetail: 'build step 1 "ubuntu" failed: step exited with non-zero status: 7',
        failureInfo: { type: 'USER_BUILD_STEP', detail: 'Build step failure: build step 1 "ubuntu" failed' },
        logUrl: LOG,
        steps: [
          { name: 'alpine', status: 'SUCCESS' },
          { id: 'test', name: 'ubuntu', status: 'FAILURE', exitCode: 7 },
        ],
      }),
    ).toBe(
      'a step failed; step 2 (test): FAILURE, exit code 7; Build step failure: build step 1 "ubuntu" failed; ' +
        `build step 1 "ubuntu" failed: step exited with non-zero status: 7; log: ${LOG}`,
    );
  });

  test('says which step overran', () => {
    const steps = [{ name: 'ubuntu', status: 'TIMEOUT' }];
    expect(reasonOf({ status: 'TIMEOUT', steps })).toBe(
      'the build ran for longer than it may; step 1 (ubuntu): TIMEOUT',
    );
  });

  test('says a thing once', () => {
    const reason = reasonOf({
      status: 'FAILURE',
      statusDetail: 'x',
      failureInfo: { type: 'PUSH_FAILED', detail: 'x' },
    });
    expect(reason).toBe('an image could not be pushed; its repository must exist; x');
  });
});

describe('the data of a success', () => {
  test('are outputs, inputs as they were resolved, and how each step went', () => {
    const status = statusOf(
      build({
        status: 'SUCCESS',
        logUrl: LOG,
        steps: [
          { id: 'lint', name: 'node:24', status: 'FAILURE', exitCode: 2 },
          { name: 'docker', status: 'SUCCESS', timing: {} },
        ],
        results: {
          images: [{ name: 'r/app:1', digest: 'sha256:aa', pushTiming: {} }],
          buildStepImages: ['sha256:01', ''],
          artifactManifest: 'gs://b/artifacts-b-1.json',
          numArtifacts: '3',
        },
        sourceProvenance: {
          resolvedStorageSource: { bucket: 'bucket', object: 'o.tgz', generation: '1700000000000001', extra: 1 },
          fileHashes: {},
        },
      }),
    );
    expect(status).toEqual({
      state: 'finished',
      result: {
        data: {
          build: 'b-1',
          logUrl: LOG,
          source: { storageSource: { bucket: 'bucket', object: 'o.tgz', generation: '1700000000000001' } },
          images: [{ name: 'r/app:1', digest: 'sha256:aa' }],
          artifacts: { manifest: 'gs://b/artifacts-b-1.json', count: 3 },
          steps: [
            { id: 'lint', image: 'node:24', digest: 'sha256:01', status: 'FAILURE', exitCode: 2 },
            { image: 'docker', status: 'SUCCESS', exitCode: 0 },
          ],
        },
      },
    });
  });

  test('are next to nothing where the service says nothing', () => {
    expect(statusOf(build({ status: 'SUCCESS' }))).toEqual({ state: 'finished', result: { data: { build: 'b-1' } } });
  });

  test('leave out a source that is not one', () => {
    const sourceProvenance = { resolvedGitSource: { url: 'not a url', revision: 'x' } };
    expect(statusOf(build({ status: 'SUCCESS', sourceProvenance }))).toEqual(statusOf(build({ status: 'SUCCESS' })));
  });
});

const ABSURD = [
  '\ud800',
  '\0\u0001\n'.repeat(100_000),
  '"\\'.repeat(100_000),
  '€'.repeat(200_000),
  '🦊'.repeat(50_001),
];

describe.each(Object.keys(STATUSES))('absurd text in a build that is %s', status => {
  test.each(ABSURD)('gives a status that is stored unchanged (%#)', text => {
    const many = <T>(item: T): T[] => Array.from({ length: 1000 }, () => item);
    const absurd = build({
      status,
      statusDetail: text,
      logUrl: text,
      failureInfo: { type: text, detail: `${text}x` },
      steps: many({ id: text, name: text, status: text, exitCode: -1e300 }),
      results: {
        images: many({ name: text, digest: text }),
        buildStepImages: many(text),
        artifactManifest: text,
        numArtifacts: text,
      },
      sourceProvenance: { resolvedStorageSource: { bucket: 'bucket', object: text.slice(0, 1024) } },
    });
    const given = statusOf(absurd);
    expect(normalizeStatus(given)).toEqual(given);
    expect(meaning(normalizeStatus(given))).toBe(STATUSES[status]);
  });
});
