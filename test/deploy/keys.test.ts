import { expect, test } from 'vitest';
import { DEPLOYED, flag, matching, runDeploy } from './rig.ts';

const VERSIONS = 'secrets versions list distributor-signing-key';
const withVersions = (...lines: string[]) => ({ ...DEPLOYED, [VERSIONS]: lines });

function mountedIn(run: ReturnType<typeof runDeploy>): (string | undefined)[] {
  return matching(run, 'run deploy').map(line => flag(line, '--set-secrets'));
}

test('a key is 32 random bytes and appears in no command and no output', () => {
  const run = runDeploy([]);
  const key = run.keys['1'] ?? '';
  expect(Buffer.from(key, 'base64')).toHaveLength(32);
  expect(key).toBe(Buffer.from(key, 'base64').toString('base64'));
  expect(JSON.stringify(run.lines) + run.stdout + run.stderr).not.toContain(key);
  expect(runDeploy([]).keys['1']).not.toBe(key);
});

test('rotating adds one version and mounts all that are enabled, for those who check before the one who signs', () => {
  const run = runDeploy(['--rotate-key'], { exists: withVersions('2\tENABLED', '1\tDISABLED') });
  expect(run.status).toBe(0);
  expect(matching(run, 'secrets versions add')).toHaveLength(1);
  const keys = 'SIGNING_KEY_2=distributor-signing-key:2,SIGNING_KEY_3=distributor-signing-key:3';
  expect(mountedIn(run)).toEqual([keys, keys, keys, undefined, undefined]);
  const order = matching(run, 'run deploy').map(line => flag(line, '--function'));
  expect(order.indexOf('tasks')).toBeGreaterThan(Math.max(order.indexOf('job'), order.indexOf('notify')));
});

test('versions are ordered as numbers', () => {
  const run = runDeploy([], { exists: withVersions('10\tENABLED', '9\tENABLED') });
  expect(mountedIn(run)[0]).toBe('SIGNING_KEY_9=distributor-signing-key:9,SIGNING_KEY_10=distributor-signing-key:10');
});

test('a retired key is disabled only after every function was deployed without it', () => {
  const run = runDeploy(['--retire-key', '1'], { exists: withVersions('2\tENABLED', '1\tENABLED') });
  expect(run.status).toBe(0);
  expect(mountedIn(run)[0]).toBe('SIGNING_KEY_2=distributor-signing-key:2');
  expect(run.lines.at(-1)?.slice(1, 6)).toEqual([
    'secrets',
    'versions',
    'disable',
    '1',
    '--secret=distributor-signing-key',
  ]);
});

test.each([
  ['2', 'this is the version that signs'],
  ['7', 'no enabled version'],
])('version %s cannot be retired: %s', (version, message) => {
  const run = runDeploy(['--retire-key', version], { exists: withVersions('2\tENABLED', '1\tENABLED') });
  expect(run.status).toBe(1);
  expect(run.stderr).toContain(message);
  expect(matching(run, 'run deploy')).toEqual([]);
});
