import { z } from 'zod';
import { InvalidArgument } from './errors.ts';

/** google.protobuf.Duration's bound, 10,000 years; nothing here needs more than JavaScript can count in milliseconds. */
const MAX_SECONDS = 315_576_000_000;

/**
 * A protobuf-JSON duration (`"90s"`, `"0.5s"`) in milliseconds; finer fractions are rounded up, so that a positive
 * duration never becomes zero. Throws InvalidArgument.
 */
export function parseDuration(text: string, field = ''): number {
  const match = /^(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(text);
  if (!match) throw new InvalidArgument(field, 'must be a duration of zero or more seconds, such as "90s" or "0.5s"');
  const seconds = Number(match[1]);
  if (seconds > MAX_SECONDS) throw new InvalidArgument(field, `must be at most "${MAX_SECONDS}s"`);
  const nanos = Number((match[2] ?? '').padEnd(9, '0'));
  return seconds * 1000 + Math.ceil(nanos / 1e6);
}

/** The canonical text of a duration in milliseconds: no trailing zeros. */
export function formatDuration(milliseconds: number): string {
  const fraction = String(milliseconds % 1000)
    .padStart(3, '0')
    .replace(/0+$/, '');
  return `${Math.floor(milliseconds / 1000)}${fraction === '' ? '' : `.${fraction}`}s`;
}

/** Parses to the canonical text. */
export const durationSchema = z.string().transform((text, context) => {
  try {
    return formatDuration(parseDuration(text));
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as InvalidArgument).description });
    return z.NEVER;
  }
});

/** Epoch milliseconds as a protobuf-JSON timestamp. */
export function formatTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.000Z$/, 'Z');
}
