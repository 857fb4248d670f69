import { Firestore } from '@google-cloud/firestore';
import type { CallProperties } from '@grpc/grpc-js';
import { currentDeadline } from './deadline.ts';

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
    // The default of gRPC lets an outage outlast itself by two minutes.
    'grpc.max_reconnect_backoff_ms': 5000,
    // A connection that died while the instance was frozen is noticed at all.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.callInvocationTransformer': bounded,
  });
}

const SERVICE = '/google.firestore.v1.Firestore';
const UNKNOWN = 2;

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
        callback(error && Object.assign(error, isRepeated(error) && { code: UNKNOWN }), value),
    }),
  };
}

/** RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE: what WriteBatch.commit repeats for ten minutes. */
function isRepeated({ code }: { code: number }): boolean {
  return [8, 10, 14].includes(code);
}
