import { expect, test } from 'vitest';
import { finished } from '../../shared/core/result.ts';
import { HOUR_MS, MINUTE_MS } from '../support/decide.ts';
import { createTestEngineOn, executionOf, start } from '../support/engine.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';
import { testStore } from './firestore.ts';

describeWithEmulators('the engine on Firestore', ({ firestore: host }) => {
  test('puts off the executions that cannot be read, each with a log line, and goes on with all others', async () => {
    const { store, firestore } = testStore(host);
    const done = finished({ data: { answer: 42 } });
    const world = createTestEngineOn(store, {
      script: { run: start, getStatus: async () => done, cancel: async () => {} },
    });
    const ids = await Promise.all([1, 2, 3, 4].map(n => world.submit({ parameters: { n } })));
    await world.settle();
    const executions = ids.map(id => firestore.collection('executions').doc(executionOf(id)));
    const [withoutBody, ofOtherVersion] = executions;
    await withoutBody!.update({ body: '{broken' });
    await ofOtherVersion!.update({ schemaVersion: 99 });

    await world.elapse(10 * MINUTE_MS);

    const states = await Promise.all(ids.map(async id => (await world.attempt(id)).state));
    expect(states).toEqual(['EXECUTING', 'EXECUTING', 'FINISHED', 'FINISHED']);
    for (const broken of [withoutBody!, ofOtherVersion!])
      expect((await broken.get()).get('wakeAt').toMillis()).toBe(world.clock.now() + HOUR_MS);
    const errors = world.log.lines.filter(({ severity }) => severity === 'error');
    expect(new Set(errors.map(({ fields }) => fields['execution']))).toEqual(
      new Set([withoutBody!.id, ofOtherVersion!.id]),
    );
    expect(errors).toHaveLength(2);
  });
});
