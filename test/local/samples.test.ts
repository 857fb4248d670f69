import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttemptView } from '../../local/demo/client.ts';
import { buildRequest } from '../../samples/build/request.ts';
import { serve } from '../support/http-server.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack();
});

afterAll(() => stack.close());

async function outcomeOf(desc: object): Promise<AttemptView> {
  return stack.api.wait(await stack.api.submit(desc));
}

interface Desc {
  parameters: object;
  distributorParameters: { command: [string, ...string[]] };
}

/** The description in a request of `samples/interactive`, with `to` in place of each text `from`. */
function descIn(file: string, from = '', to = ''): Desc {
  const text = readFileSync(`samples/interactive/${file}`, 'utf8');
  const request = JSON.parse(from === '' ? text : text.replaceAll(from, to)) as { quests: [{ desc: Desc }] };
  return request.quests[0].desc;
}

const hasPython = spawnSync('python3', ['--version']).status === 0;
const NO_PYTHON = 'python3 is missing: the sample in Python was not tried';

describe.each([
  { language: 'shell', file: 'sum-shell.json', sum: 25, broken: ['"4"', '"4 4"'] },
  { language: 'python', file: 'sum-python.json', sum: 169, broken: ['12', '"5 5"'] },
] as const)('the interactive job in $language', ({ language, file, sum, broken }) => {
  const isMissing = language === 'python' && !hasPython;

  test('asks for two quests, halts, and is run again with its state to add their values up', async ({ skip }) => {
    skip(isMissing, NO_PYTHON);
    const before = await stack.api.listAll();
    const { result, executions } = await outcomeOf(descIn(file));
    expect(result).toEqual({ data: { sum, runs: 2 } });
    expect(executions).toMatchObject([{ result: { data: { runs: 1 } } }, { state: 'FINISHED' }]);
    expect(await stack.api.listAll()).toHaveLength(before.length + 3);
  });

  test('fails with the reason when one of them has failed', async ({ skip }) => {
    skip(isMissing, NO_PYTHON);
    const { result, executions } = await outcomeOf(descIn(file, ...broken));
    expect(result).toMatchObject({
      abnormalFinish: { status: 'FAILED', reason: expect.stringMatching(/^exit status 1: .*has no result/s) as string },
    });
    expect(executions).toHaveLength(2);
  });
});

/** A `job` function that is unavailable each time that it is asked for something new. */
function serveUnavailable() {
  const asked = new Set<string>();
  return serve(({ path, body }) => {
    if (asked.has(path + body)) return { body: '{"questIds":[],"graph":{"quests":{}},"shouldHalt":true}' };
    asked.add(path + body);
    return { status: 503, body: { error: { code: 503, status: 'UNAVAILABLE', message: 'try again' } } };
  });
}

describe.each([
  { language: 'shell', desc: descIn('sum-shell.json') },
  { language: 'python', desc: descIn('sum-python.json') },
  { language: 'node', desc: buildRequest(['tally']).quests[0]!.desc as Desc },
])('a job in $language', ({ language, desc }) => {
  const [program, ...args] = desc.distributorParameters.command;

  async function runAgainst(url: string): Promise<{ code: number; stderr: string }> {
    const env = { ...process.env, EXECUTION_URL: `${url}/execution`, ACTIVATION_TOKEN: 'activation' };
    const job = promisify(execFile)(program, args, { env });
    job.child.stdin?.end(JSON.stringify(desc.parameters));
    return job.then(
      ({ stderr }) => ({ code: 0, stderr }),
      (error: { code: number; stderr: string }) => error,
    );
  }

  test('repeats its calls as they were until they are answered', async ({ skip }) => {
    skip(language === 'python' && !hasPython, NO_PYTHON);
    const { url, requests } = await serveUnavailable();
    expect((await runAgainst(url)).code).toBe(0);
    const calls = requests.map(({ path, headers, body }) => ({ path, authorization: headers.authorization, body }));
    expect(calls.map(({ path }) => path)).toEqual([
      '/execution:activate',
      '/execution:activate',
      '/execution:ensureGraphData',
      '/execution:ensureGraphData',
    ]);
    expect(calls[1]).toEqual(calls[0]);
    expect(calls[3]).toEqual(calls[2]);
    const { executionToken } = JSON.parse(calls[0]!.body) as { executionToken: string };
    expect(executionToken).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(calls[0]!.authorization).toBe('Bearer activation');
    expect(calls[2]!.authorization).toBe(`Bearer ${executionToken}`);
  });

  test('fails at once with what it is told when a call is refused', async ({ skip }) => {
    skip(language === 'python' && !hasPython, NO_PYTHON);
    const { url, requests } = await serve(() => ({ status: 409, body: { error: { message: 'another caller' } } }));
    const { code, stderr } = await runAgainst(url);
    expect(code).toBe(1);
    expect(stderr).toContain('another caller');
    expect(requests).toHaveLength(1);
  });
});

describe('the sample build', () => {
  const testOf = (name: string) => buildRequest([name]).quests[0]!.desc;

  test('makes sources, libraries, programs and tests, and a second one only what is missing', async () => {
    const before = await stack.api.listAll();
    const glossary = await outcomeOf(testOf('glossary'));
    expect(glossary).toMatchObject({ state: 'FINISHED', result: { data: { text: '8 lines as expected\n' } } });
    expect(glossary.executions).toHaveLength(2);

    const first = await stack.api.listAll();
    expect(first).toHaveLength(before.length + 8);
    const tally = await outcomeOf(testOf('tally'));
    expect(tally).toMatchObject({ state: 'FINISHED', result: { data: { text: '1 lines as expected\n' } } });

    const second = await stack.api.listAll();
    const known = new Set(first.map(({ quest }) => quest));
    expect(second.filter(({ quest }) => known.has(quest))).toEqual(first);
    expect(second.filter(({ quest }) => !known.has(quest))).toHaveLength(5);
  });

  test('fails all that needs a source that has changed since it was asked for, and says why', async () => {
    const [, content = ''] = /"count.sh","content":"(\w+)"/.exec(JSON.stringify(testOf('tally'))) ?? [];
    const outdated = JSON.parse(JSON.stringify(testOf('tally')).replaceAll(content, 'f'.repeat(64))) as object;
    const { result } = await outcomeOf(outdated);
    expect(result).toMatchObject({
      abnormalFinish: {
        status: 'FAILED',
        reason: expect.stringContaining('count.sh is not the same any more') as string,
      },
    });
  });
});
