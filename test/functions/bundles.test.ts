import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build } from '../../build/build.ts';
import { FUNCTION_NAMES, type FunctionName } from '../../functions/wiring.ts';
import { bundleFolder, ENVIRONMENT, runBundle, serveBundle, writeFile } from '../support/bundles.ts';
import { REQUIRED } from '../support/required.ts';
import { send } from '../support/stack.ts';

const MIB = 1024 * 1024;
const EXECUTION = `/v1/quests/${'q'.repeat(43)}/attempts/1/executions/1`;
const POSTS: Readonly<Record<FunctionName, string>> = {
  api: `/v1/quests/${'q'.repeat(43)}/attempts/1:cancel`,
  job: `${EXECUTION}:activate`,
  notify: '/',
  tasks: '/run',
  sweep: '/',
};
const ALL = { ...ENVIRONMENT, WEB_TOKEN: 'Bearer the-value-of-a-secret' };

const { folder, remove } = bundleFolder();
beforeAll(async () => {
  const distributorsFile = writeFile(
    folder,
    'distributors.yaml',
    'web: {type: http, config: {allowedHosts: [service.example], headers: {Authorization: env:WEB_TOKEN}}}',
  );
  await build({ distributorsFile, outDir: folder });
}, 120_000);
afterAll(remove);

describe.each(FUNCTION_NAMES)('the bundle of %s', name => {
  test('does not start without what it needs, and names it in a line for Cloud Logging', {
    timeout: 120_000,
  }, async () => {
    for (const variable of REQUIRED[name]) {
      const { [variable]: _, ...rest } = ALL as Record<string, string>;
      const { code, output } = await runBundle(folder, name, rest);
      expect(code, variable).toBe(1);
      expect(JSON.parse(output), variable).toMatchObject({
        severity: 'ERROR',
        message: expect.stringMatching(new RegExp(`^${name} cannot start: ${variable}: `)),
      });
      expect(output).not.toContain(ENVIRONMENT.SIGNING_KEY_1);
      expect(output).not.toContain('the-value-of-a-secret');
    }
  });

  test('needs nothing else, and answers what is refused with its own JSON', { timeout: 60_000 }, async () => {
    const needed = [
      ...REQUIRED[name],
      ...Object.keys(ENVIRONMENT).filter(variable => /EMULATOR|METADATA|NODE/.test(variable)),
    ];
    const environment = Object.fromEntries(
      needed.map(variable => [variable, (ALL as Record<string, string>)[variable]!]),
    );
    const { url } = await serveBundle(folder, name, environment);
    expect(await send(`${url}/nothing/here`)).toMatchObject({ status: 404, body: { error: { status: 'NOT_FOUND' } } });
    const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
      send<{ error?: { status: string }; outcome?: string }>(url + POSTS[name], {
        method: 'POST',
        body,
        headers: { authorization: 'Bearer any', ...headers },
      });
    // What will never get better is acknowledged where it would be sent again for days; a sweep reads no body.
    const refused: Partial<Record<FunctionName, object>> = {
      notify: { status: 200, body: { outcome: 'dropped: malformed' } },
      tasks: { status: 200, body: { outcome: 'dropped: malformed' } },
    };
    const malformed = refused[name] ?? { status: 400, body: { error: { status: 'INVALID_ARGUMENT' } } };
    if (name !== 'sweep') expect(await post('{"quests": [')).toMatchObject(malformed);
    const tooLarge =
      name === 'notify' ? refused.notify : { status: 413, body: { error: { status: 'PAYLOAD_TOO_LARGE' } } };
    expect(await post(Buffer.alloc(MIB + 1, ' '))).toMatchObject(tooLarge!);
  });
});

test.skipIf(process.platform !== 'linux')('fifty gzip bombs cost a bundle no memory', { timeout: 60_000 }, async () => {
  const { url, pid } = await serveBundle(folder, 'api', ALL);
  const bomb = gzipSync(Buffer.alloc(256 * MIB, 'a'));
  const throwOne = () => send(url + POSTS.api, { method: 'POST', body: bomb, headers: { 'content-encoding': 'gzip' } });
  const refused = { status: 415, body: { error: { status: 'UNSUPPORTED_MEDIA_TYPE' } } };
  expect(await throwOne()).toMatchObject(refused);
  const before = residentMiB(pid);
  for (let i = 0; i < 50; i++) expect(await throwOne()).toMatchObject(refused);
  expect(residentMiB(pid) - before).toBeLessThan(64);
});

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
