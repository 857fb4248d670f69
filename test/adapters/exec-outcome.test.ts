import { describe, expect, test } from 'vitest';
import { type Exit, MAX_STDOUT_BYTES, resultOf, STDOUT_TAIL_BYTES } from '../../shared/adapters/exec/outcome.ts';
import { createCapture } from '../../shared/adapters/exec/output.ts';
import { MAX_JSON_BYTES } from '../../shared/core/json.ts';
import { MAX_REASON_CHARACTERS } from '../../shared/core/result.ts';

function exit(part: {
  code?: number | null;
  signal?: string;
  stdout?: string | Buffer;
  stderr?: string | Buffer;
}): Exit {
  return {
    code: part.code ?? (part.signal === undefined ? 0 : null),
    signal: part.signal ?? null,
    stdout: output(part.stdout ?? '', MAX_STDOUT_BYTES, STDOUT_TAIL_BYTES),
    stderr: output(part.stderr ?? '', 0, 2048),
  };
}

function output(text: string | Buffer, headBytes: number, tailBytes: number) {
  const capture = createCapture({ headBytes, tailBytes });
  capture.add(Buffer.from(text as string));
  return capture.output();
}

const data = (value: unknown) => ({ data: value });
const abnormal = (status: string, reason: unknown) => ({ abnormalFinish: { status, reason } });

describe('an exit without an error', () => {
  test.each<[string, string | Buffer, unknown]>([
    ['an object', '{"a":1}', data({ a: 1 })],
    ['an empty object', '{}', data({})],
    ['an object among white space', '\n {"b":2,\n "a":[1]} \n', data({ a: [1], b: 2 })],
    ['nothing', '', data({ stdoutTail: '' })],
    ['text', 'hello\n', data({ stdoutTail: 'hello\n' })],
    ['an array', '[1]', data({ stdoutTail: '[1]' })],
    ['null', 'null', data({ stdoutTail: 'null' })],
    ['two objects', '{}\n{}\n', data({ stdoutTail: '{}\n{}\n' })],
    ['an object after a line of text', 'done\n{}\n', data({ stdoutTail: 'done\n{}\n' })],
    ['an object that is not UTF-8', Buffer.from('{"a":"\xff"}', 'latin1'), data({ stdoutTail: '{"a":"\ufffd"}' })],
    ['a lone surrogate', String.raw`{"a":"\ud800"}`, abnormal('RESULT_MALFORMED', expect.stringMatching(/^stdout: /))],
    [
      'too deep an object',
      `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`,
      abnormal('RESULT_MALFORMED', expect.stringMatching(/^stdout: nested/)),
    ],
    [
      'an object over 256 KiB',
      JSON.stringify({ a: 'x'.repeat(MAX_JSON_BYTES) }),
      abnormal('RESULT_MALFORMED', 'stdout: is 262152 bytes of JSON, more than 262144'),
    ],
    ['an object that is small without its spaces', `{"a":${' '.repeat(MAX_JSON_BYTES)}1}`, data({ a: 1 })],
    [
      'an object that is never read to its end',
      JSON.stringify({ a: 'x'.repeat(MAX_STDOUT_BYTES) }),
      abnormal('RESULT_MALFORMED', 'stdout: is 327688 bytes, more than 327680'),
    ],
    [
      'the same with line breaks',
      JSON.stringify({ a: 'x'.repeat(MAX_STDOUT_BYTES) }, null, 2),
      abnormal('RESULT_MALFORMED', expect.any(String)),
    ],
    [
      'many lines of JSON',
      '{"level":"info"}\n'.repeat(30_000),
      data({ stdoutTail: expect.stringMatching(/\n\{"level":"info"\}\n$/) }),
    ],
  ])('and %s on stdout', (_name, stdout, expected) => {
    expect(resultOf(exit({ stdout }), undefined)).toEqual(expected);
  });

  test('keeps the last 4 KiB of other output, from the beginning of a character', () => {
    const result = resultOf(exit({ stdout: `${'é'.repeat(5000)}!` }), undefined);
    expect(result).toEqual(data({ stdoutTail: `${'é'.repeat(2047)}!` }));
  });
});

test.each<[string, Parameters<typeof exit>[0], string, string]>([
  ['a status', { code: 3 }, 'FAILED', 'exit status 3'],
  ['a status and a message', { code: 3, stderr: '\nno such file\n' }, 'FAILED', 'exit status 3: no such file'],
  ['a status beside a result', { code: 1, stdout: '{"a":1}' }, 'FAILED', 'exit status 1'],
  ['a signal', { signal: 'SIGSEGV' }, 'CRASHED', 'killed by SIGSEGV'],
  ['a signal and a message', { signal: 'SIGABRT', stderr: 'bad', stdout: '{}' }, 'CRASHED', 'killed by SIGABRT: bad'],
])('an exit with %s', (_name, part, status, reason) => {
  expect(resultOf(exit(part), undefined)).toEqual(abnormal(status, reason));
});

test('a long message loses its beginning, not its end', () => {
  const result = resultOf(exit({ code: 1, stderr: `${'x'.repeat(MAX_REASON_CHARACTERS * 2)} the cause` }), undefined);
  expect(result).toEqual(abnormal('FAILED', expect.stringMatching(/^exit status 1: x+ the cause$/)));
});

test.each([
  ['cancelled', 'CANCELLED', 'the process was stopped on request'],
  ['shutdown', 'CRASHED', 'the stack was stopped'],
] as const)('a process that was %s has that end, however it exited', (stopped, status, reason) => {
  for (const part of [{ signal: 'SIGTERM' }, { code: 0, stdout: '{"a":1}' }, { code: 1, stderr: 'oops' }])
    expect(resultOf(exit(part), stopped)).toEqual(abnormal(status, reason));
});

test('a capture keeps the ends of what comes in pieces', () => {
  const capture = createCapture({ headBytes: 5, tailBytes: 4 });
  for (const piece of ['ab', 'cdef', 'g', '', 'hi']) capture.add(Buffer.from(piece));
  const { head, tail, bytes } = capture.output();
  expect([head.toString(), tail.toString(), bytes]).toEqual(['abcde', 'fghi', 9]);
});
