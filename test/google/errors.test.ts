import { describe, expect, test } from 'vitest';
import { TransientError } from '../../shared/core/errors.ts';
import { fromGoogle, isAlreadyExists, isRefusedPrecondition } from '../../shared/google/errors.ts';

/** google/rpc/code.proto */
const CODES = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

type Name = keyof typeof CODES;
const NAMES = Object.keys(CODES) as Name[];

const FINAL: Name[] = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'DATA_LOSS',
];
const REFUSED: Name[] = ['NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION'];

function errorOf(name: Name): Error {
  return Object.assign(new Error(`${CODES[name]} ${name}: because`), { code: CODES[name] });
}

describe.each(NAMES)('%s', name => {
  const error = errorOf(name);

  test(FINAL.includes(name) ? 'is final' : 'may succeed later', () => {
    expect(fromGoogle(error, 'do it') instanceof TransientError).toBe(!FINAL.includes(name));
  });

  test('says what was tried and keeps its cause', () => {
    const { message, cause } = fromGoogle(error, 'do it');
    expect({ message, cause }).toEqual({ message: `cannot do it: ${error.message}`, cause: error });
  });

  test('is told from a refused precondition', () => {
    expect(isRefusedPrecondition(error)).toBe(REFUSED.includes(name));
    expect(isAlreadyExists(error)).toBe(name === 'ALREADY_EXISTS');
  });
});

test.each([
  Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  new Error('wrapped', { cause: errorOf('UNAVAILABLE') }),
])('%s below gRPC may succeed later', error => {
  expect(fromGoogle(error, 'do it')).toBeInstanceOf(TransientError);
});

test.each([new TypeError('a bug'), 'thrown text', undefined])('%s is no error of the other side', thrown => {
  expect(fromGoogle(thrown, 'do it')).not.toBeInstanceOf(TransientError);
  expect(isRefusedPrecondition(thrown)).toBe(false);
});
