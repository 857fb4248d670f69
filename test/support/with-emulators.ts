import { randomBytes } from 'node:crypto';
import { describe, inject } from 'vitest';

export interface EmulatorHosts {
  firestore: string;
  pubsub: string;
}

/** A suite that is skipped where there are no emulators; the end of the run tells. */
export function describeWithEmulators(name: string, suite: (hosts: EmulatorHosts) => void): void {
  const firestore = inject('firestoreHost');
  const pubsub = inject('pubsubHost');
  if (firestore === undefined || pubsub === undefined)
    throw new Error('tests with emulators must be among the files of the project "google" in vitest.config.ts');
  if (firestore === null || pubsub === null) describe.skip(name, () => suite({ firestore: '', pubsub: '' }));
  else describe(name, () => suite({ firestore, pubsub }));
}

/** Shared with no other test. */
export function freshProject(): string {
  return `test-${randomBytes(8).toString('hex')}`;
}
