import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { ROOT } from './rig.ts';

const SCRIPTS = ['deploy.sh', '.ci/run', 'test/deploy/fakes/tool'];

test('shellcheck finds nothing in the scripts', ({ skip }) => {
  if (spawnSync('shellcheck', ['--version']).error !== undefined) {
    const message = 'shellcheck is not installed (Debian: apt-get install shellcheck)';
    if (process.env.REQUIRE_SHELLCHECK === '1') throw new Error(`REQUIRE_SHELLCHECK=1, but ${message}`);
    skip(`a check of the scripts: ${message}`);
  }
  const { status, stdout } = spawnSync('shellcheck', ['--external-sources', ...SCRIPTS], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
