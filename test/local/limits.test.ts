import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startTestStack, temporaryFolder } from '../support/stack.ts';

/** Waits for the file `go`, and notes in `log` when it begins and ends. */
const JOB = 'echo "+$1" >> log; while ! [ -e "go-$1" ]; do sleep 0.05; done; echo "-$1" >> log; echo "{}"';

test('no more commands run than the distributor allows, in the order in which they were asked for', async () => {
  const folder = temporaryFolder();
  const stack = await startTestStack('shell: {type: exec, config: {gracePeriod: 1s, maxInFlight: 2}}');
  try {
    const log = () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');
    const begun = () => log().filter(line => line.startsWith('+'));
    const quests: string[] = [];
    for (let n = 0; n < 6; n++) {
      const command = ['sh', '-c', JOB, 'job', String(n)];
      quests.push(
        await stack.api.submit({ distributorConfigName: 'shell', distributorParameters: { command, cwd: folder } }),
      );
      // So that each stands in line before the next one comes.
      await vi.waitFor(async () => {
        const { state, queuedSince } = await stack.api.get(quests[n]!);
        expect(n < 2 ? state === 'EXECUTING' : queuedSince !== undefined).toBe(true);
      });
    }
    await vi.waitFor(() => expect(begun()).toEqual(['+0', '+1']));

    // Every time that one ends, one begins.
    for (const [n, next] of [
      [1, 3],
      [0, 4],
      [2, 5],
      [3, 6],
    ] as const) {
      writeFileSync(join(folder, `go-${n}`), '');
      await vi.waitFor(() => expect(begun()).toHaveLength(next), { timeout: 10_000 });
    }
    expect(begun()).toEqual(['+0', '+1', '+2', '+3', '+4', '+5']);
    for (const n of [4, 5]) writeFileSync(join(folder, `go-${n}`), '');
    for (const quest of quests) expect(await stack.api.wait(quest)).toMatchObject({ state: 'FINISHED' });

    const running = new Set<string>();
    for (const line of log()) {
      if (line.startsWith('+')) running.add(line.slice(1));
      else running.delete(line.slice(1));
      expect(running.size).toBeLessThanOrEqual(2);
    }
    expect(readdirSync(folder)).toHaveLength(7);
  } finally {
    await stack.close();
  }
});
