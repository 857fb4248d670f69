import { InvalidArgument } from '../core/errors.ts';
import { type ExecutionId, executionId, isQuestId, MAX_NUMBER, parseExecutionId } from '../core/ids.ts';

/**
 * The name under which a job can be found by its execution, and the execution by its job: a DNS label, `q…-attempt-execution`
 * with everything in base 36, since the labels and names of many services know no capitals.
 */
const MAX_NAME_CHARACTERS = 63;
const RADIX = 36;
/** 256 bits have at most 50 digits, the first of which is at most 6. It becomes a letter: names begin with one. */
const QUEST_DIGITS = 50;

/** Throws InvalidArgument where both numbers are over 60 million: then the name would be too long. */
export function executionName(id: ExecutionId): string {
  const { quest, attempt, execution } = parseExecutionId(id);
  const digits = BigInt(`0x${Buffer.from(quest, 'base64url').toString('hex')}`)
    .toString(RADIX)
    .padStart(QUEST_DIGITS, '0');
  const letter = String.fromCharCode('a'.charCodeAt(0) + Number(digits[0]));
  const name = `${letter}${digits.slice(1)}-${attempt.toString(RADIX)}-${execution.toString(RADIX)}`;
  if (name.length > MAX_NAME_CHARACTERS) throw new InvalidArgument('', `execution ${id} is too long for a name`);
  return name;
}

/** `undefined`: not a name that we gave. */
export function executionOfName(name: string): ExecutionId | undefined {
  const [, letter = '', rest = '', attempt = '', execution = ''] =
    /^([a-g])([0-9a-z]{49})-([1-9a-z][0-9a-z]{0,5})-([1-9a-z][0-9a-z]{0,5})$/.exec(name) ?? [];
  if (letter === '' || name.length > MAX_NAME_CHARACTERS) return undefined;
  const number = Array.from(`${letter.charCodeAt(0) - 'a'.charCodeAt(0)}${rest}`).reduce(
    (sum, digit) => sum * BigInt(RADIX) + BigInt(Number.parseInt(digit, RADIX)),
    0n,
  );
  // 50 digits can hold more than 256 bits.
  const hex = number.toString(16).padStart(64, '0');
  const quest = Buffer.from(hex, 'hex').toString('base64url');
  const numbers = [attempt, execution].map(text => Number.parseInt(text, RADIX)) as [number, number];
  return hex.length === 64 && isQuestId(quest) && numbers.every(one => one <= MAX_NUMBER)
    ? executionId(quest, ...numbers)
    : undefined;
}
