import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Keyring } from '../shared/core/tokens.ts';
import { parseWith } from '../shared/core/validation.ts';

const fileSchema = z.strictObject({ current: z.string(), keys: z.record(z.string(), z.base64()) });

/** The signing keys of this machine's stack, made at the first start and readable by its owner alone. */
export function loadKeyring(dataDir: string): Keyring {
  const file = join(dataDir, 'keys.json');
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true });
    const keys = { current: 'k1', keys: { k1: randomBytes(32).toString('base64') } };
    // Renamed into place, so that a crash leaves no half of a key.
    writeFileSync(`${file}.new`, JSON.stringify(keys), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  const { current, keys } = parseWith(fileSchema, JSON.parse(readFileSync(file, 'utf8')), file);
  return {
    current,
    keys: Object.fromEntries(Object.entries(keys).map(([id, key]) => [id, Buffer.from(key, 'base64')])),
  };
}
