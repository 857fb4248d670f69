import { expect, test } from 'vitest';
import { type Deployment, matching, runDeploy } from './rig.ts';

const FIRST = runDeploy([]);

/** What was called, pauses and repeats of the same line left out. */
function distinctLines({ lines }: Deployment): string[] {
  const called = lines.filter(([tool]) => tool !== 'sleep').map(line => line.join(' '));
  return called.filter((line, i) => line !== called[i - 1]);
}

test('a command that keeps failing stops everything, with one clear line that names it', () => {
  const all = FIRST.lines;
  // The build, the first read, and then one of every few; all of them would take a minute.
  const places = all.map((_, i) => i).filter(i => i < 4 || i % 11 === 0 || i === all.length - 1);
  for (const place of places) {
    const failing = all[place]!;
    const run = runDeploy([], { failOn: failing });
    const last = run.stderr.trimEnd().split('\n').at(-1);
    expect(run.status).toBe(1);
    expect(last).toMatch(/^deploy\.sh: FAILED: "[A-Z].*" stopped at: /);
    expect(last).toContain(failing[0] === 'npm' ? 'npm run build' : `gcloud ${failing[1]} ${failing[2]}`);
    expect(distinctLines(run)).toEqual(all.slice(0, place + 1).map(line => line.join(' ')));
  }
}, 300_000);

test('a grant to an account that is not known everywhere yet is tried again', () => {
  const [grant] = matching(FIRST, 'projects add-iam-policy-binding');
  const run = runDeploy([], { failOn: grant!, failTimes: 3 });
  expect(run.status).toBe(0);
  expect(run.lines.filter(([tool]) => tool === 'sleep')).toHaveLength(3);
});

test('Ctrl-C stops it with a word on how to go on, and nothing after it is run', () => {
  const [interrupted] = matching(FIRST, 'pubsub topics create');
  const run = runDeploy([], { interruptOn: interrupted! });
  expect(run.status).toBe(130);
  expect(run.stderr).toContain('deploy.sh: interrupted at "Topics"; run it again to go on');
  expect(run.lines.at(-1)).toEqual(interrupted);
});
