import { expect, test } from 'vitest';
import { liveThrough } from './canary-life.ts';
import { DATA, LIVES } from './canary-service.ts';
import { expectSecrecy, secretsIn } from './secrets.ts';

/** One life serves all tests; the first of them leads it. */
let life: ReturnType<typeof liveThrough> | undefined;
const live = () => (life ??= liveThrough());

test('the life had everything in it', async () => {
  const { ends, interactiveEnd, secrets, log, requests, answers } = await live();
  expect(ends).toEqual(LIVES.map(([, , end]) => end));
  expect(interactiveEnd).toBe('FINISHED');
  // Two tokens of each execution: three of the first quest, two of the interactive one.
  expect(Object.keys(secrets)).toHaveLength(4 + 2 * (LIVES.length + 2 + 2));
  expect([...new Set(log.map(({ message }) => message))].toSorted()).toEqual([
    'a notification was dropped',
    'a task was dropped',
    'an HTTP call failed',
    'cancel failed',
    'poll failed',
    'swept',
  ]);
  expect([...new Set(answers.map(({ status }) => status))].toSorted((a, b) => a - b)).toEqual([200, 202, 400, 401]);
  expect(secretsIn(requests, { ...secrets, ...DATA })).toEqual(
    expect.arrayContaining(['API key', 'password', 'parameters']),
  );
});

test('no log line holds a secret, parameters or a result', async () => {
  const { log, secrets } = await live();
  expectSecrecy(log, { ...secrets, ...DATA });
});

test('no document that is shown holds a secret', async () => {
  const { shown, secrets } = await live();
  expectSecrecy(shown, secrets);
});

test('no answer holds a secret, and no error parameters or a result', async () => {
  const { answers, secrets } = await live();
  expectSecrecy(answers, secrets);
  expectSecrecy(
    answers.filter(({ status }) => status >= 400),
    DATA,
  );
});

test('no document that is stored holds a secret', async () => {
  const { stored, secrets } = await live();
  expectSecrecy(stored, secrets);
});

test('no URL that was called or is shown holds a secret, parameters or a result', async () => {
  const { requests, shown, secrets } = await live();
  const paths = requests.map(({ path }) => path);
  const headers = requests.flatMap(({ headers: sent }) => [sent['x-notify-url'], sent['x-execution-url']]);
  const shownUrls = JSON.stringify(shown).match(/https?:[^"\\]*/g) ?? [];
  expectSecrecy([...paths, ...headers, ...shownUrls], { ...secrets, ...DATA });
});
