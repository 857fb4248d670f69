import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { idOfAttempt } from '../../shared/core/attempt.ts';
import { TransientError } from '../../shared/core/errors.ts';
import type { Store, Version } from '../../shared/core/ports.ts';
import { openFirestore } from '../../shared/google/firestore.ts';
import { createStore } from '../../shared/google/store.ts';
import { attemptIn } from '../support/documents.ts';
import { grpcProxy } from '../support/grpc-proxy.ts';
import { realClock } from '../support/services.ts';
import { describeWithEmulators, freshProject } from '../support/with-emulators.ts';
import { testStore } from './firestore.ts';

const attempt = attemptIn('SCHEDULING');
const id = idOfAttempt(attempt);
const version = '1764000000.123456000' as Version;

const CALLS: Record<string, (store: Store) => Promise<unknown>> = {
  get: store => store.get('attempt', id),
  'commit of a new document': store => store.commit([{ kind: 'attempt', doc: attempt }]),
  'commit on a version': store => store.commit([{ kind: 'attempt', doc: attempt, ifVersion: version }]),
  due: store => store.due('attempt', 3, 0, 10),
  postpone: store => store.postpone('attempt', id, 0),
  listAttempts: store => store.listAttempts({ pageSize: 10 }),
  listExecutions: store => store.listExecutions(id, 1, 3),
  'get of an adapter': store => store.adapterDocuments('web').get('a'),
  'put of an adapter': store => store.adapterDocuments('web').put('a', {}, { expireAt: 0 }),
  'delete of an adapter': store => store.adapterDocuments('web').delete('a'),
  'list of an adapter': store => store.adapterDocuments('web').list({ limit: 10 }),
};

/** The address of a server that takes connections and never says a word, or of none at all. */
async function unhelpfulHost(kind: 'silent' | 'closed'): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  if (kind === 'closed') close();
  else onTestFinished(close);
  return `127.0.0.1:${port}`;
}

/** Never terminated: the library goes on with its repetitions for a while, and these would reject where nobody hears. */
async function strandedStore(kind: 'silent' | 'closed'): Promise<Store> {
  const firestore = openFirestore({ projectId: 'stranded', emulatorHost: await unhelpfulHost(kind) });
  return createStore(firestore, { clock: realClock, timeoutMs: 300 });
}

describe.each(['silent', 'closed'] as const)('when the port of Firestore is %s,', kind => {
  test.each(Object.keys(CALLS))('%s rejects with TransientError', async name => {
    await expect(CALLS[name]!(await strandedStore(kind))).rejects.toThrow(TransientError);
  });

  test('waiting for a change ends when it is aborted', async () => {
    const store = await strandedStore(kind);
    const waiting = new AbortController();
    const changed = store.changed(id, version, waiting.signal);
    setTimeout(() => waiting.abort(), 100);
    await changed;
  });
});

describeWithEmulators('when Firestore', ({ firestore: host }) => {
  test('is cut off after it applied a commit, the commit rejects as perhaps applied and is sent once', async () => {
    const proxy = await grpcProxy(host);
    const projectId = freshProject();
    const { store } = testStore(proxy.host, { projectId });
    proxy.onAnswer(async method => (method === 'Commit' ? 'cut' : 'pass'));
    await expect(store.commit([{ kind: 'attempt', doc: attempt }])).rejects.toThrow(TransientError);
    await expect(store.adapterDocuments('web').put('a', {}, { expireAt: 0 })).rejects.toThrow(TransientError);
    expect(proxy.calls).toEqual(['Commit', 'Commit']);
    const { store: direct } = testStore(host, { projectId });
    expect((await direct.get('attempt', id))?.doc).toEqual(attempt);
    expect((await direct.adapterDocuments('web').get('a'))?.doc).toEqual({});
  });

  test('answers too late, the commit rejects as perhaps applied and is sent once', async () => {
    const proxy = await grpcProxy(host);
    const projectId = freshProject();
    const { store } = testStore(proxy.host, { projectId, timeoutMs: 2000 });
    const late = Promise.withResolvers<'pass'>();
    proxy.onAnswer(() => late.promise);
    await expect(store.commit([{ kind: 'attempt', doc: attempt }])).rejects.toThrow(TransientError);
    late.resolve('pass');
    expect(proxy.calls).toEqual(['Commit']);
    expect((await testStore(host, { projectId }).store.get('attempt', id))?.doc).toEqual(attempt);
  });

  test('is cut off while it answers a read, the read is repeated', async () => {
    const proxy = await grpcProxy(host);
    const { store } = testStore(proxy.host);
    await store.commit([{ kind: 'attempt', doc: attempt }]);
    let cuts = 0;
    proxy.onAnswer(async () => (cuts++ === 0 ? 'cut' : 'pass'));
    expect((await store.get('attempt', id))?.doc).toEqual(attempt);
    expect(cuts).toBe(2);
  });

  test('comes back, everything goes on, for those who wait too', async () => {
    const proxy = await grpcProxy(host);
    const { store } = testStore(proxy.host, { timeoutMs: 1000 });
    const [first] = await store.commit([{ kind: 'attempt', doc: attempt }]);
    const changed = store.changed(id, first!, new AbortController().signal);
    await expect.poll(() => proxy.calls).toContain('Listen');
    await proxy.stop();
    await expect(store.get('attempt', id)).rejects.toThrow(TransientError);
    await proxy.start();
    const next = attemptIn('EXECUTING', { revision: 2 });
    await expect
      .poll(() => store.commit([{ kind: 'attempt', doc: next, ifVersion: first! }]), { timeout: 15_000 })
      .toHaveLength(1);
    await changed;
    expect((await store.get('attempt', id))?.doc).toEqual(next);
  });
});
