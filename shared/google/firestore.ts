import { Firestore } from '@google-cloud/firestore';
import type { CallProperties } from '@grpc/grpc-js';
import { CHANNEL } from './channel.ts';
import { currentDeadline } from './deadline.ts';
import { GRPC } from './errors.ts';

export interface FirestoreOptions {
  projectId: string;
  /** `(default)` unless given. */
  databaseId?: string;
  /** `host:port`; the library itself looks for FIRESTORE_EMULATOR_HOST. */
  emulatorHost?: string;
}

export function openFirestore({ projectId, databaseId, emulatorHost }: FirestoreOptions): Firestore {
  return new Firestore({
    projectId,
    ...(databaseId !== undefined && { databaseId }),
    ...(emulatorHost !== undefined && { host: emulatorHost, ssl: false }),
    ...CHANNEL,
    'grpc.callInvocationTransformer': bounded,
  });
}

const SERVICE = '/google.firestore.v1.Firestore';

/** What WriteBatch.commit repeats for ten minutes. */
const REPEATED: readonly number[] = [GRPC.RESOURCE_EXHAUSTED, GRPC.ABORTED, GRPC.UNAVAILABLE];

/**
 * What the library cannot be told: that every try of a call ends with its caller's patience, and that a commit is tried
 * once. Its own repetition of UNAVAILABLE would meet the precondition of a commit that was applied before the connection
 * broke, and call our own write somebody else's.
 */
function bounded(call: CallProperties<unknown, unknown>): CallProperties<unknown, unknown> {
  const deadline = currentDeadline();
  if (deadline === undefined || call.methodDefinition.path === `${SERVICE}/Listen`) return call;
  const { callback = () => {} } = call;
  return {
    ...call,
    callOptions: { ...call.callOptions, deadline },
    ...(call.methodDefinition.path === `${SERVICE}/Commit` && {
      // Of all codes that mean "perhaps applied" the one that is not repeated; the message keeps the original.
      callback: (error, value) =>
        callback(error && Object.assign(error, REPEATED.includes(error.code) && { code: GRPC.UNKNOWN }), value),
    }),
  };
}
