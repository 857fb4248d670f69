import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { messageReader } from './messages.ts';

/** What a function asked of Firestore and Pub/Sub. */
export interface CallCounts {
  /** Calls by method. */
  calls: Record<string, number>;
  /** Those that ended with an error, by method and gRPC code. */
  failed: Record<string, number>;
  /** Documents; a query that finds nothing is charged as one (https://cloud.google.com/firestore/pricing). */
  reads: number;
  writes: number;
  /** Documents that adapters keep for themselves. */
  adapterReads: number;
  adapterWrites: number;
  messages: number;
  /** Of these messages' data and attributes, at least 1,000 each: what Pub/Sub charges for. */
  messageBytes: number;
}

export interface CallCounter {
  request(chunk: Buffer): void;
  response(chunk: Buffer): void;
  /** gRPC's status code. */
  end(code: number): void;
}

/** All fields of requests and responses that are looked at. */
interface Request {
  documents?: string[];
  writes?: { update?: { name: string }; delete?: string }[];
  messages?: { data?: Buffer; attributes?: Record<string, string> }[];
}
interface Response {
  document?: { name: string };
  documentChange?: unknown;
}

export function noCalls(): CallCounts {
  const none = { reads: 0, writes: 0, adapterReads: 0, adapterWrites: 0, messages: 0, messageBytes: 0 };
  return { calls: {}, failed: {}, ...none };
}

const QUERIES = ['RunQuery', 'RunAggregationQuery', 'ExecutePipeline', 'ListDocuments'];
const ADAPTERS = '/documents/adapters/';
const MIN_MESSAGE_BYTES = 1000;

/** Counts into `counts` what one call says on the wire. `path` is as gRPC has it: `/google.firestore.v1.Firestore/Commit`. */
export function callCounter(counts: CallCounts, path: string): CallCounter {
  const method = methodOf(path);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const isQuery = QUERIES.includes(name);
  let found = 0;
  const written: string[] = [];
  increase(counts.calls, name);

  function read(document: string): void {
    counts[document.includes(ADAPTERS) ? 'adapterReads' : 'reads'] += 1;
  }

  return {
    request: messageReader(bytes => {
      const { documents = [], writes = [], messages = [] } = method.requestDeserialize(bytes) as Request;
      for (const document of documents) read(document);
      for (const { update, delete: deleted } of writes) written.push(update?.name ?? deleted ?? '');
      counts.messages += messages.length;
      for (const { data, attributes = {} } of messages) {
        const bytesOfAttributes = Object.entries(attributes)
          .flat()
          .map(text => Buffer.byteLength(text));
        const size = bytesOfAttributes.reduce((sum, one) => sum + one, data?.length ?? 0);
        counts.messageBytes += Math.max(MIN_MESSAGE_BYTES, size);
      }
    }),
    response: messageReader(bytes => {
      const { document, documentChange } = method.responseDeserialize(bytes) as Response;
      if (documentChange) counts.reads += 1;
      if (!isQuery || !document) return;
      found += 1;
      read(document.name);
    }),
    end(code) {
      if (code !== 0) {
        increase(counts.failed, `${name} ${code}`);
        return;
      }
      if (isQuery && found === 0) counts.reads += 1;
      // What is refused writes nothing.
      for (const document of written) counts[document.includes(ADAPTERS) ? 'adapterWrites' : 'writes'] += 1;
    },
  };
}

function increase(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** The clients' own descriptions of the services; their packages do not export these files. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  'google.firestore.v1.Firestore': '@google-cloud/firestore/build/protos/v1.json',
  'google.pubsub.v1.Publisher': '@google-cloud/pubsub/build/protos/protos.json',
};

const services = new Map<string, ServiceDefinition>();

function methodOf(path: string): MethodDefinition<object, object> {
  const [, service = '', name = ''] = path.split('/');
  const file = DESCRIPTIONS[service];
  const known = services.get(service) ?? (file && loadService(service, file));
  if (!known || known[name] === undefined) throw new Error(`an unknown call: ${path}`);
  services.set(service, known);
  return known[name];
}

function loadService(service: string, file: string): ServiceDefinition {
  const folders = createRequire(import.meta.url).resolve.paths(file) ?? [];
  for (const folder of folders) {
    try {
      return fromJSON(JSON.parse(readFileSync(join(folder, file), 'utf8')))[service] as ServiceDefinition;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error(`${file} is not installed`);
}
