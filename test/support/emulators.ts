import type { TestProject } from 'vitest/node';
import { findEmulators, startFirestoreEmulator, startPubSubEmulator } from '../../local/emulators/google.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of the emulators of this run; null where there are none. */
    firestoreHost: string | null;
    pubsubHost: string | null;
    /** Why there are none, and how to install them. */
    emulatorsMissing: string | null;
  }
}

/** One pair of emulators for a whole run: tests keep apart by projects of their own. */
export default async function setup({ provide }: Pick<TestProject, 'provide'>): Promise<() => Promise<void>> {
  const { FIRESTORE_EMULATOR_HOST, PUBSUB_EMULATOR_HOST, REQUIRE_EMULATORS } = process.env;
  const missing =
    FIRESTORE_EMULATOR_HOST !== undefined && PUBSUB_EMULATOR_HOST !== undefined ? [] : findEmulators().missing;
  if (missing.length > 0) {
    const message = `missing: ${missing.join(', ')}; or set FIRESTORE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST`;
    if (REQUIRE_EMULATORS === '1') throw new Error(`REQUIRE_EMULATORS=1, but the emulators cannot be used. ${message}`);
    provide('emulatorsMissing', message);
    provide('firestoreHost', null);
    provide('pubsubHost', null);
    return async () => {};
  }
  const [firestore, pubsub] = await Promise.all([
    FIRESTORE_EMULATOR_HOST === undefined ? startFirestoreEmulator() : given(FIRESTORE_EMULATOR_HOST),
    PUBSUB_EMULATOR_HOST === undefined ? startPubSubEmulator() : given(PUBSUB_EMULATOR_HOST),
  ]);
  provide('emulatorsMissing', null);
  provide('firestoreHost', firestore.host);
  provide('pubsubHost', pubsub.host);
  return async () => void (await Promise.all([firestore.close(), pubsub.close()]));
}

function given(host: string) {
  return { host, close: async () => {} };
}
