import { Firestore } from '@google-cloud/firestore';
import { createStore } from '../../shared/google/store.ts';
import { storeContract } from '../contracts/store.ts';
import { realClock } from '../support/services.ts';
import { describeWithEmulators, freshProject } from '../support/with-emulators.ts';

describeWithEmulators('Firestore', ({ firestore: host }) => {
  storeContract('Firestore emulator', async () => {
    const firestore = new Firestore({ projectId: freshProject(), host, ssl: false });
    const collections = { attempt: 'attempts', execution: 'executions' } as const;
    return {
      store: createStore(firestore, { clock: realClock }),
      damage: async (kind, id) =>
        void (await firestore.collection(collections[kind]).doc(id).update({ schemaVersion: 99 })),
      close: () => firestore.terminate(),
    };
  });
});
