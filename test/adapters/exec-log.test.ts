import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLogFile } from '../../shared/adapters/exec/output.ts';
import { temporaryDirectory } from '../support/exec-adapter.ts';

async function logOf(pieces: string[], maxBytes = 10): Promise<string> {
  const path = join(temporaryDirectory(), 'new', 'log');
  const log = await openLogFile(path, maxBytes);
  await Promise.all(pieces.map(piece => log.append(Buffer.from(piece))));
  await log.close();
  return readFileSync(path, 'utf8');
}

test('a log file keeps the order of what came at the same time', async () => {
  expect(await logOf(['a', 'bcd', 'ef'])).toBe('abcdef');
});

test('a log file that is exactly full says nothing', async () => {
  expect(await logOf(['01234', '56789'])).toBe('0123456789');
});

test('a log file that overflows says so once and keeps nothing more', async () => {
  expect(await logOf(['01234', '56789ab', 'cd', 'e'])).toBe(
    '0123456789\n[what follows the first 10 bytes is not kept]\n',
  );
});

test('a log file begins anew, so that it is about one process', async () => {
  const path = join(temporaryDirectory(), 'log');
  for (const text of ['first', '2nd']) {
    const log = await openLogFile(path, 10);
    await log.append(Buffer.from(text));
    await log.close();
  }
  expect(readFileSync(path, 'utf8')).toBe('2nd');
});

test.runIf(process.platform === 'linux')('what cannot be written is dropped', async () => {
  const log = await openLogFile('/dev/full', 10);
  await log.append(Buffer.from('x'));
  await log.close();
});
