import { describe, expect, test } from 'vitest';
import { readSettings } from '../../functions/settings.ts';
import { FUNCTION_NAMES, type FunctionName } from '../../functions/wiring.ts';
import { REQUIRED } from '../support/required.ts';

const key = (letter: string, bytes = 32) => Buffer.alloc(bytes, letter).toString('base64');

const ALL = {
  GOOGLE_CLOUD_PROJECT: 'project-1',
  LOCATION: 'europe-west1',
  QUEUES: '2',
  TASKS_URL: 'https://tasks.example',
  TASKS_CALLER: 'caller@project-1.iam.gserviceaccount.com',
  TOPIC: 'notifications',
  JOB_URL: 'https://job.example/',
  SIGNING_KEY_1: key('a'),
  WEB_TOKEN: 'Bearer x',
};

const CASES = FUNCTION_NAMES.flatMap(name => REQUIRED[name].map(variable => [name, variable] as const));

function given(
  name: FunctionName,
  changes: Record<string, string | undefined> = {},
): Record<string, string | undefined> {
  return { ...Object.fromEntries(REQUIRED[name].map(variable => [variable, ALL[variable]])), ...changes };
}

const read = (name: FunctionName, changes: Record<string, string | undefined> = {}) =>
  readSettings(name, given(name, changes), ['WEB_TOKEN']);

test.each(FUNCTION_NAMES)('%s needs no more than what it uses', name => {
  expect(read(name)).toMatchObject({
    projectId: 'project-1',
    databaseId: '(default)',
    queues: ['distributor-0', 'distributor-1'],
    tasksUrl: 'https://tasks.example',
    retentionMs: undefined,
    logLevel: 'warn',
    local: false,
  });
});

test.each(CASES)('%s does not start without %s, or with an empty one', (name, variable) => {
  expect(() => read(name, { [variable]: undefined })).toThrow(new RegExp(`^${variable}: `));
  expect(() => read(name, { [variable]: '' })).toThrow(new RegExp(`^${variable}: `));
});

describe('what is malformed is named, and its value is not shown:', () => {
  test.each([
    ['api', 'QUEUES', 'many'],
    ['api', 'QUEUES', '0'],
    ['api', 'QUEUES', '1.5'],
    ['api', 'TASKS_URL', 'tasks.example'],
    ['api', 'TASKS_URL', 'ftp://tasks.example'],
    ['api', 'LOG_LEVEL', 'chatty'],
    ['api', 'LOCAL', 'perhaps'],
    ['api', 'RETENTION_DAYS', 'forever'],
    ['api', 'RETENTION_DAYS', '1'],
    ['tasks', 'JOB_URL', 'job.example'],
    ['tasks', 'SIGNING_KEY_1', 'not/base64!'],
    ['tasks', 'SIGNING_KEY_1', key('short', 31)],
    ['tasks', 'SIGNING_KEY_2', key('short', 31)],
  ] as const)('%s with %s=%s', (name, variable, value) => {
    const failure = () => read(name, { [variable]: value });
    expect(failure).toThrow(new RegExp(`^${variable}: `));
    expect(failure).not.toThrow(value);
  });
});

test('the newest key signs, and older ones still verify', () => {
  const { keyring } = read('job', { SIGNING_KEY_9: key('b'), SIGNING_KEY_10: `${key('c')}\n` });
  expect(keyring?.current).toBe('k10');
  expect(keyring?.keys).toEqual({ k1: Buffer.alloc(32, 'a'), k9: Buffer.alloc(32, 'b'), k10: Buffer.alloc(32, 'c') });
});

test('api and sweep hold no key, even if they are given one', () => {
  for (const name of ['api', 'sweep'] as const) expect(read(name, ALL).keyring).toBeUndefined();
});

test('everything that may be chosen can be', () => {
  const chosen = { DATABASE: 'other', QUEUE_PREFIX: 'q', RETENTION_DAYS: '30', LOG_LEVEL: 'info' };
  expect(read('api', chosen)).toMatchObject({
    databaseId: 'other',
    queues: ['q-0', 'q-1'],
    retentionMs: 30 * 24 * 60 * 60_000,
    logLevel: 'info',
  });
  expect(read('tasks').jobUrl).toBe('https://job.example');
});

test('on one machine there is a server for tasks and no account', () => {
  const local = { LOCAL: 'true', TASKS_CALLER: undefined, CLOUD_TASKS_EMULATOR_HOST: '127.0.0.1:9000' };
  expect(read('api', local)).toMatchObject({
    local: true,
    tasksEmulatorHost: '127.0.0.1:9000',
    tasksCaller: undefined,
  });
  expect(() => read('api', { ...local, CLOUD_TASKS_EMULATOR_HOST: undefined })).toThrow(/^CLOUD_TASKS_EMULATOR_HOST: /);
});
