import { Firestore } from '@google-cloud/firestore';

export interface FirestoreOptions {
  projectId: string;
  /** `(default)` unless given. */
  databaseId?: string;
}

/** Honours FIRESTORE_EMULATOR_HOST, as the library does. */
export function openFirestore({ projectId, databaseId }: FirestoreOptions): Firestore {
  return new Firestore({
    projectId,
    ...(databaseId !== undefined && { databaseId }),
    // The default of gRPC lets an outage outlast itself by two minutes.
    'grpc.max_reconnect_backoff_ms': 5000,
  });
}
