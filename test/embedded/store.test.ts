import { expect, test } from 'vitest';
import { idOfAttempt } from '../../shared/core/attempt.ts';
import { idOfExecution } from '../../shared/core/execution.ts';
import { waitId } from '../../shared/core/ids.ts';
import { createQueue } from '../../shared/embedded/queue.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { storeContract } from '../contracts/store.ts';
import { attemptIn, executionIn } from '../support/documents.ts';
import { databasePath, fastDelivery, freshDatabase } from '../support/sqlite.ts';

storeContract('SQLite', async () => {
  const database = freshDatabase();
  return {
    store: createStore(database),
    async damage(kind, id) {
      const table = kind === 'edge' ? 'edges' : 'documents';
      database.prepare(`UPDATE ${table} SET body = '{broken' WHERE id = ?`).run(id);
    },
    close: async () => database.close(),
  };
});

const attempt = attemptIn('SCHEDULING');
const id = idOfAttempt(attempt);

test.each([
  '',
  'null',
  '[]',
  '{"schemaVersion":1}',
  JSON.stringify({ ...attempt, schemaVersion: 2 }),
  JSON.stringify({ ...attempt, state: 'BORED' }),
])('the stored text %j is no attempt: not read, but found due and postponed', async body => {
  const database = freshDatabase();
  const store = createStore(database);
  await store.commit([{ kind: 'attempt', doc: attempt }]);
  database.prepare('UPDATE documents SET body = ? WHERE id = ?').run(body, id);
  await expect(store.get('attempt', id)).rejects.toThrow(`attempt ${id}: `);
  await store.postpone('attempt', id, 5);
  expect((await store.due('attempt', attempt.shard, 5, 10)).items).toEqual([
    { kind: 'attempt', id, revision: 0, wakeAt: 5 },
  ]);
});

test('documents are still there when the file is opened again', async () => {
  const path = databasePath();
  const database = freshDatabase(path);
  const documents = [attempt, attemptIn('FINISHED', { attempt: 2 })];
  await createStore(database).commit(documents.map(doc => ({ kind: 'attempt', doc })));
  database.close();
  const { items } = await createStore(freshDatabase(path)).listAttempts({ pageSize: 10 });
  expect(items).toEqual(documents);
});

test('waiting for a change ends only with a change of that attempt, and leaves nothing behind', async () => {
  const store = createStore(freshDatabase());
  const [version] = await store.commit([{ kind: 'attempt', doc: attempt }]);
  const ended: string[] = [];
  const aborted = new AbortController();
  const waiting = Array.from({ length: 20 }, async () => {
    await store.changed(id, version!, aborted.signal);
    ended.push('waited');
  });
  await store.commit([
    { kind: 'attempt', doc: attemptIn('SCHEDULING', { attempt: 2 }) },
    { kind: 'execution', doc: executionIn('SCHEDULING') },
  ]);
  await expect(store.commit([{ kind: 'attempt', doc: attempt }])).rejects.toThrow(/written by someone else/);
  await store.get('attempt', id);
  expect(ended).toEqual([]);
  aborted.abort();
  await Promise.all(waiting);
  expect(ended).toHaveLength(20);
});

test('adapter documents are purged once they have expired', async () => {
  const store = createStore(freshDatabase());
  const documents = store.adapterDocuments('web');
  for (let n = 0; n < 2500; n++) void documents.put(`old-${n}`, { n }, { expireAt: 1000 });
  await documents.put('kept', {}, { expireAt: 1001 });
  await store.purgeExpired(1000);
  expect((await documents.list({ limit: 10 })).items.map(item => item.id)).toEqual(['kept']);
});

test('every statement finds what it needs by an index, in the order of that index', async () => {
  const database = freshDatabase();
  const statements = new Set<string>();
  const observed: typeof database = {
    ...database,
    prepare(sql) {
      statements.add(sql);
      return database.prepare(sql);
    },
  };
  const store = createStore(observed);
  store.adapterDocuments('web');
  createQueue(observed, { ...fastDelivery(), deliver: async () => {} });
  for (const filter of [
    {},
    { state: 'FINISHED' },
    { distributor: 'd' },
    { state: 'FINISHED', distributor: 'd' },
  ] as const)
    await store.listAttempts({ ...filter, pageSize: 1 });
  const wait = waitId(idOfExecution(executionIn('RUNNING')), 1);
  for (const filter of [{ dependent: id }, { dependency: id }, { wait }])
    await store.listEdges({ ...filter, limit: 1 });
  await store.countOpen(wait, 1);

  const plans = [...statements].map(sql => {
    const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[];
    return { sql, plan: steps.map(({ detail }) => detail).join('\n') };
  });
  expect(plans.length).toBeGreaterThan(20);
  for (const { sql, plan } of plans) {
    expect(plan, sql).not.toMatch(/SCAN (?!CONSTANT ROW)/);
    expect(plan, sql).not.toContain('TEMP B-TREE');
  }
  const planOf = (part: string) => plans.filter(({ sql }) => sql.includes(part)).map(({ plan }) => plan);
  expect(planOf('wake_at <= ?')).toEqual([
    'SEARCH documents USING INDEX documents_due (kind=? AND shard=? AND wake_at>? AND wake_at<?)',
  ]);
  expect(planOf('state = ? AND +distributor')).toEqual([
    'SEARCH documents USING INDEX documents_by_state (state=? AND id>?)',
  ]);
  expect(planOf('FROM edges WHERE').toSorted()).toEqual([
    'SEARCH edges USING COVERING INDEX edges_open (open_for=?)',
    'SEARCH edges USING INDEX edges_of_dependency (dependency=? AND id>?)',
    'SEARCH edges USING INDEX edges_of_dependent (dependent=? AND id>?)',
    'SEARCH edges USING INDEX edges_open (open_for=? AND id>?)',
    'SEARCH edges USING INDEX sqlite_autoindex_edges_1 (id=?)',
  ]);
});
