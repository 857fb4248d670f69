import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

/** The parser and the printer of the installed Google Cloud SDK, without its network. */

export interface Format {
  format: string;
  resources: object[];
}

interface Sdk {
  root: string;
  python: string;
}

const SDK = findSdk();

export function hasSdk(): boolean {
  return SDK !== undefined;
}

/** A test that needs the SDK is skipped where there is none, or fails where it must be. */
export function needsSdk({ skip }: TestContext): void {
  if (SDK !== undefined) return;
  const message = 'the Google Cloud SDK is not installed (https://cloud.google.com/sdk/docs/install)';
  if (process.env.REQUIRE_EMULATORS === '1') throw new Error(`REQUIRE_EMULATORS=1, but ${message}`);
  skip(`the gcloud lines of deploy.sh: ${message}`);
}

/** What the real parser says against each line; null where it accepts it. */
export function parserErrors(lines: readonly (readonly string[])[]): (string | null)[] {
  return ask({ lines, formats: [] }).errors;
}

export function printed(formats: readonly Format[]): string[] {
  return ask({ lines: [], formats }).printed;
}

function ask(request: { lines: readonly (readonly string[])[]; formats: readonly Format[] }) {
  if (SDK === undefined) throw new Error('there is no SDK');
  const checker = join(import.meta.dirname, 'check_gcloud.py');
  const { status, stdout, stderr } = spawnSync(SDK.python, ['-SEB', checker, SDK.root], {
    encoding: 'utf8',
    input: JSON.stringify(request),
  });
  if (status !== 0) throw new Error(`the checker failed: ${stderr}`);
  return JSON.parse(stdout) as { errors: (string | null)[]; printed: string[] };
}

function findSdk(): Sdk | undefined {
  const format = '--format=value(installation.sdk_root,basic.python_location)';
  const { status, stdout } = spawnSync('gcloud', ['info', format], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const [root = '', python = ''] = stdout.trim().split('\t');
  return { root, python };
}
