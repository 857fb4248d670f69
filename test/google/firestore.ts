import type { Firestore } from '@google-cloud/firestore';
import { onTestFinished } from 'vitest';
import type { Store } from '../../shared/core/ports.ts';
import { openFirestore } from '../../shared/google/firestore.ts';
import { createStore, type FirestoreStoreOptions } from '../../shared/google/store.ts';
import { realClock } from '../support/services.ts';
import { freshProject } from '../support/with-emulators.ts';

export interface TestStore {
  firestore: Firestore;
  store: Store;
}

/** An empty store that no other test uses, unless a project is given; closed when the test ends. */
export function testStore(
  emulatorHost: string,
  { projectId = freshProject(), ...options }: Partial<FirestoreStoreOptions> & { projectId?: string } = {},
): TestStore {
  const firestore = openFirestore({ projectId, emulatorHost });
  onTestFinished(() => firestore.terminate());
  return { firestore, store: createStore(firestore, { clock: realClock, ...options }) };
}
