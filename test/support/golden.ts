import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parseJson } from '../../shared/core/json.ts';
import type { ReceivedRequest } from './http-server.ts';

const FOLDER = join(import.meta.dirname, '../adapters/golden');
const SHOWN_HEADERS = ['authorization', 'content-type', 'accept'];

/**
 * Every request that was sent, as the golden file of this name has it. `UPDATE_GOLDEN=1` writes the file; read its diff as
 * you would read code.
 */
export function expectGolden(name: string, requests: readonly ReceivedRequest[]): void {
  const file = join(FOLDER, `${name}.json`);
  const sent = requests.map(({ method, path, headers, body }) => ({
    request: `${method} ${path}`,
    headers: Object.fromEntries(
      SHOWN_HEADERS.flatMap(key => (headers[key] === undefined ? [] : [[key, headers[key]]])),
    ),
    ...(body !== '' && { body: parseJson(body) ?? body }),
  }));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${JSON.stringify(sent, undefined, 2)}\n`);
  expect(existsSync(file), `${file} is missing: UPDATE_GOLDEN=1 writes it`).toBe(true);
  expect(sent).toEqual(parseJson(readFileSync(file, 'utf8')));
}
