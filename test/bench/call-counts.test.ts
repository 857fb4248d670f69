import { readFileSync } from 'node:fs';
import { fromJSON, type ServiceDefinition } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { callCounter, noCalls } from '../../bench/wire/call-counts.ts';

const FIRESTORE = 'google.firestore.v1.Firestore';
const protos = new URL('../../node_modules/@google-cloud/firestore/build/protos/v1.json', import.meta.url);
const service = fromJSON(JSON.parse(readFileSync(protos, 'utf8')))[FIRESTORE] as ServiceDefinition;
const documents = 'projects/p/databases/(default)/documents';

function framed(message: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** One call as it goes over the wire, cut into pieces of so many bytes. */
function count(name: string, request: object, responses: object[], { code = 0, pieces = 7 } = {}) {
  const { requestSerialize, responseSerialize } = service[name]!;
  const counts = noCalls();
  const counter = callCounter(counts, `/${FIRESTORE}/${name}`);
  const cut = (bytes: Buffer, take: (piece: Buffer) => void) => {
    for (let from = 0; from < bytes.length; from += pieces) take(bytes.subarray(from, from + pieces));
  };
  cut(framed(requestSerialize(request)), counter.request);
  cut(Buffer.concat(responses.map(response => framed(responseSerialize(response)))), counter.response);
  counter.end(code);
  return counts;
}

test('each document that is asked for is a read, found or not', () => {
  const request = { documents: [`${documents}/quests/a`, `${documents}/attempts/b`] };
  const responses = [{ found: { name: `${documents}/quests/a` } }, { missing: `${documents}/attempts/b` }];
  expect(count('BatchGetDocuments', request, responses)).toMatchObject({
    calls: { BatchGetDocuments: 1 },
    reads: 2,
    writes: 0,
  });
});

test('what an adapter keeps for itself is counted on its own', () => {
  const name = `${documents}/adapters/jobsim/adapterDocuments/x`;
  expect(count('BatchGetDocuments', { documents: [name] }, [])).toMatchObject({ reads: 0, adapterReads: 1 });
  expect(count('Commit', { writes: [{ update: { name } }] }, [])).toMatchObject({ writes: 0, adapterWrites: 1 });
});

test('each write of a commit is one, deletions among them', () => {
  const writes = [{ update: { name: `${documents}/quests/a` } }, { delete: `${documents}/quests/b` }];
  expect(count('Commit', { writes }, [{}])).toMatchObject({ calls: { Commit: 1 }, reads: 0, writes: 2 });
});

test('a commit that is refused writes nothing', () => {
  const writes = [{ update: { name: `${documents}/quests/a` } }];
  expect(count('Commit', { writes }, [], { code: 10 })).toMatchObject({ writes: 0, failed: { 'Commit 10': 1 } });
});

test('a query costs what it finds', () => {
  const found = ['a', 'b', 'c'].map(id => ({ document: { name: `${documents}/attempts/${id}` } }));
  expect(count('RunQuery', {}, [...found, { readTime: { seconds: 1 } }]).reads).toBe(3);
});

test('a query that finds nothing costs one read, and one that fails none', () => {
  expect(count('RunQuery', {}, [{ readTime: { seconds: 1 } }]).reads).toBe(1);
  expect(count('RunQuery', {}, [], { code: 14 })).toMatchObject({ reads: 0, failed: { 'RunQuery 14': 1 } });
});

test('a listener costs each document that it is shown', () => {
  const change = { documentChange: { document: { name: `${documents}/attempts/a` } } };
  const others = [{ targetChange: {} }, { filter: {} }];
  expect(count('Listen', {}, [...others, change, change]).reads).toBe(2);
});

test.each([1, 2, 5, 6, 1000])('messages are counted however they are cut: %i bytes', pieces => {
  const request = { documents: [`${documents}/quests/a`] };
  expect(count('BatchGetDocuments', request, [], { pieces }).reads).toBe(1);
});

test('a compressed message is not taken for a plain one', () => {
  const counter = callCounter(noCalls(), `/${FIRESTORE}/Commit`);
  expect(() => counter.request(Buffer.from([1, 0, 0, 0, 0]))).toThrow('compressed');
});

test('a call of another service is refused rather than missed', () => {
  expect(() => callCounter(noCalls(), '/google.firestore.v2.Firestore/Commit')).toThrow('unknown call');
});
