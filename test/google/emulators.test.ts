import { expect, test } from 'vitest';
import { describeWithEmulators } from '../support/with-emulators.ts';

describeWithEmulators('emulators', hosts => {
  test('both answer', async () => {
    for (const host of [hosts.firestore, hosts.pubsub]) expect((await fetch(`http://${host}/`)).status).toBe(200);
  });
});
