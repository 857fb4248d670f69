import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { messageReader } from './messages.ts';

/** What Firestore charges for, and the calls that it took. */
export interface FirestoreCounts {
  /** By method. */
  rpcs: Record<string, number>;
  /** Calls that ended with an error, by method and gRPC code. */
  failed: Record<string, number>;
  /** Documents; a query that finds nothing is charged as one. */
  reads: number;
  writes: number;
}

export interface RpcCounter {
  request(chunk: Buffer): void;
  response(chunk: Buffer): void;
  /** gRPC's status code. */
  end(code: number): void;
}

/** The fields of all requests and responses that are looked at. */
interface Request {
  documents?: unknown[];
  writes?: unknown[];
}
interface Response {
  document?: unknown;
  documentChange?: unknown;
}

const QUERIES = ['RunQuery', 'RunAggregationQuery', 'ExecutePipeline', 'ListDocuments'];
const SERVICE = 'google.firestore.v1.Firestore';

export function emptyCounts(): FirestoreCounts {
  return { rpcs: {}, failed: {}, reads: 0, writes: 0 };
}

/** Counts into `counts` what one call, named by its path `/google.firestore.v1.Firestore/Commit`, says on the wire. */
export function firestoreCounter(counts: FirestoreCounts, path: string): RpcCounter {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const method = methods()[name];
  if (path !== `/${SERVICE}/${name}` || method === undefined) throw new Error(`an unknown call of Firestore: ${path}`);
  increase(counts.rpcs, name);
  let found = 0;
  return {
    request: messageReader(bytes => {
      const { documents = [], writes = [] } = method.requestDeserialize(bytes) as Request;
      counts.reads += documents.length;
      counts.writes += writes.length;
    }),
    response: messageReader(bytes => {
      const { document, documentChange } = method.responseDeserialize(bytes) as Response;
      if (documentChange || (document && QUERIES.includes(name))) found += 1;
    }),
    end(code) {
      if (code !== 0) increase(counts.failed, `${name} ${code}`);
      counts.reads += QUERIES.includes(name) && code === 0 ? Math.max(1, found) : found;
    },
  };
}

function increase(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

let known: Record<string, MethodDefinition<object, object>> | undefined;

/** From the client's own description of the service; its package does not export that file. */
function methods(): Record<string, MethodDefinition<object, object>> {
  if (known !== undefined) return known;
  const entry = createRequire(import.meta.url).resolve('@google-cloud/firestore');
  const protos = readFileSync(join(dirname(entry), '../protos/v1.json'), 'utf8');
  known = fromJSON(JSON.parse(protos), { arrays: false })[SERVICE] as ServiceDefinition;
  return known;
}
