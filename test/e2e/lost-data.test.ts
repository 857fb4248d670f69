import { expect, onTestFinished, test, vi } from 'vitest';
import { endsOf, showLogsOnFailure, startE2eStack, untilOver } from '../support/e2e.ts';
import { startJobService } from '../support/job-service.ts';
import { shell, sim, web } from '../support/stack.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';

const PATIENT = { timeout: 60_000, interval: 100 };

describeWithEmulators('when Firestore is killed and comes back empty', () => {
  test('the functions recover by themselves, and what was on its way is acknowledged', async () => {
    const service = await startJobService();
    const stack = await startE2eStack();
    onTestFinished(() => stack.close(), 30_000);
    showLogsOnFailure(() => stack);

    const mixed = (round: string) => [
      ...Array.from({ length: 5 }, (_, n) => web(`${service.url}/slow`, { round, n })),
      ...Array.from({ length: 5 }, (_, n) => web(`${service.url}/notified`, { round, n })),
      ...Array.from({ length: 5 }, (_, n) =>
        sim({ name: round, seed: n, stages: [{ stall: { delay: '2s' } }], returnStage: { retval: n } }),
      ),
      ...Array.from({ length: 5 }, (_, n) => shell('sleep 1; echo "{}"', { parameters: { round, n } })),
    ];
    const allFinished = Array.from({ length: 20 }, () => ['FINISHED']);

    const before = await stack.api.submitAll(mixed('before'));
    expect((await untilOver(stack, before, 90_000)).map(endsOf)).toEqual(allFinished);

    const lost = await stack.api.submitAll(mixed('lost'));
    await vi.waitFor(() => expect(service.jobsOf(lost[0]!)).not.toEqual([]), PATIENT);
    await stack.restartFirestore();
    expect((await stack.api.list()).attempts).toEqual([]);

    const after = await stack.api.submitAll(mixed('after'));
    expect((await untilOver(stack, after, 90_000)).map(endsOf)).toEqual(allFinished);

    // The same work is no longer known, and is begun anew. Its executors may remember it: the service tells an end once, and
    // a simulated job perhaps found itself without a distributor.
    const forgotten = mixed('lost').filter(
      (_, i) => !service.jobsOf(lost[i]!).some(({ path }) => path === '/notified'),
    );
    const again = await stack.api.submitAll(forgotten);
    expect(lost).toEqual(expect.arrayContaining(again));
    const ends = (await untilOver(stack, again, 90_000)).flatMap(endsOf);
    expect(ends).toHaveLength(forgotten.length);
    expect(['FINISHED', 'CRASHED']).toEqual(expect.arrayContaining(ends));

    // Deliveries about what is lost have come to an end, too.
    await vi.waitFor(() => expect(stack.taskStats()).toMatchObject({ pending: 0, dead: 0 }), PATIENT);
  }, 400_000);
});
