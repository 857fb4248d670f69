import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { SAMPLES } from '../../local/demo/samples.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { run, temporaryFolder } from '../support/stack.ts';

const GLOSSARY = `
test glossary              FINISHED  run 2 times
└─ program glossary        FINISHED  run 2 times
   ├─ library show         FINISHED  run 2 times
   │  ├─ source common.sh  FINISHED  run
   │  └─ source frame.sh   FINISHED  run
   ├─ library text         FINISHED  run 2 times
   │  ├─ source common.sh  shown above
   │  └─ source words.sh   FINISHED  run
   └─ source glossary.sh   FINISHED  run

8 quests: 0 were there, 8 were run.
`;

/** Half of it was made for the other. */
const TALLY = `
test tally                 FINISHED  run 2 times
└─ program tally           FINISHED  run 2 times
   ├─ library math         FINISHED  run 2 times
   │  └─ source count.sh   FINISHED  run
   ├─ library show         FINISHED  was there
   │  ├─ source common.sh  FINISHED  was there
   │  └─ source frame.sh   FINISHED  was there
   ├─ library text         FINISHED  was there
   │  ├─ source common.sh  shown above
   │  └─ source words.sh   FINISHED  was there
   └─ source tally.sh      FINISHED  run

10 quests: 5 were there, 5 were run.
`;

test('the demo brings each sample to its expected end and leaves nothing behind', async () => {
  const folder = temporaryFolder();
  const demo = run('local/demo.ts', { TMPDIR: folder });
  expect(await demo.exited, demo.stdout() + demo.stderr()).toEqual({ code: 0, signal: null });
  for (const { name, expected } of SAMPLES) {
    expect(demo.stdout()).toMatch(new RegExp(`^${name} .*✓ ${expected}$`, 'm'));
  }
  expect(demo.stdout()).toContain(GLOSSARY);
  expect(demo.stdout()).toContain(TALLY);
  expect(demo.stdout()).toContain('Each ended as it should.');
  expect(demo.stderr()).toBe('');
  expect(readdirSync(folder)).toEqual([]);
}, 60_000);

test('there is a file for each sample, and no other', () => {
  const files = readdirSync('samples').filter(file => file.endsWith('.json'));
  expect(files.toSorted()).toEqual(SAMPLES.map(({ name }) => `${name}.json`).toSorted());
});

test('a demo that is interrupted stops its commands and removes its folder', async () => {
  const folder = temporaryFolder();
  const demo = run('local/demo.ts', { TMPDIR: folder });
  const pids = await vi.waitFor(
    () => {
      const found = processesIn(folder);
      expect(found).toHaveLength(4);
      return found;
    },
    { timeout: 20_000, interval: 20 },
  );
  demo.kill('SIGINT');
  demo.kill('SIGINT');
  expect(await demo.exited).toEqual({ code: 1, signal: null });
  expect(await Promise.all(pids.map(startTimeOf))).toEqual([undefined, undefined, undefined, undefined]);
  expect(readdirSync(folder)).toEqual([]);
}, 30_000);

/** The samples that must be stopped log their processes. */
function processesIn(folder: string): number[] {
  const logs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.log'));
  return logs.flatMap(file => {
    const [, pids = ''] = /^processes: (.+)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
    return pids.split(' ').filter(Boolean).map(Number);
  });
}
