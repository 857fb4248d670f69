import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Attempt, idOfAttempt } from '../../shared/core/attempt.ts';
import { decideEdge } from '../../shared/core/decide/depend.ts';
import { idOf } from '../../shared/core/documents.ts';
import { TransientError } from '../../shared/core/errors.ts';
import { EXECUTION_STATES } from '../../shared/core/execution.ts';
import { attemptId, executionId } from '../../shared/core/ids.ts';
import type { Ids, Kind, Write } from '../../shared/core/ports.ts';
import { type Database, openDatabase } from '../../shared/embedded/database.ts';
import { createQueue } from '../../shared/embedded/queue.ts';
import { SCHEMA_VERSION } from '../../shared/embedded/schema.ts';
import { createStore } from '../../shared/embedded/store.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';
import { createInbox } from '../support/inbox.ts';
import { databasePath, fastDelivery, freshDatabase } from '../support/sqlite.ts';

/** The schema of each version before this one, as its program made a file. */
const FIXTURES = fileURLToPath(new URL('../fixtures/sqlite', import.meta.url));
const WRITER = fileURLToPath(new URL('../support/write-until-killed.ts', import.meta.url));

function spawnWriter(path: string) {
  const child = spawn(process.execPath, [WRITER, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Kills it -9 after so many acknowledged writes; resolves with the numbers of all that were. */
async function killAfter(child: ChildProcess, writes: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === writes) child.kill('SIGKILL');
  }
  return acknowledged;
}

describe('opening', () => {
  test('is refused while the file is open in this process', () => {
    const path = databasePath();
    freshDatabase(path);
    expect(() => openDatabase(path)).toThrow(`${path} is in use by another process`);
  });

  test('is refused while another process has the file open, and allowed once that was killed', async () => {
    const path = databasePath();
    const child = spawnWriter(path);
    await once(child.stdout, 'data');
    expect(() => openDatabase(path)).toThrow(`${path} is in use by another process`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    freshDatabase(path);
  });

  test('is refused when the file has the version of a newer program', () => {
    const path = databasePath();
    const database = freshDatabase(path);
    database.prepare('PRAGMA user_version = 99').run();
    database.close();
    expect(() => openDatabase(path)).toThrow(`${path} has version 99; this program reads version ${SCHEMA_VERSION}`);
  });

  test('is refused when the file is no database, which stays as it is', () => {
    const path = databasePath();
    writeFileSync(path, 'something else entirely, and long enough to be looked at'.repeat(20));
    expect(() => openDatabase(path)).toThrow(/not a database/);
  });

  test('makes the folder', () => {
    freshDatabase(databasePath().replace('test.sqlite', 'a/b/test.sqlite'));
  });
});

describe('a file of an older version', () => {
  const OLDER = Array.from({ length: SCHEMA_VERSION - 1 }, (_, n) => n + 1);

  /** As the program of that version left it, with these documents. */
  function fileOf(version: number, documents: readonly Write[]): string {
    const path = databasePath();
    const sqlite = new DatabaseSync(path);
    sqlite.exec(readFileSync(join(FIXTURES, `v${version}.sql`), 'utf8'));
    sqlite.exec(`PRAGMA journal_mode = WAL; PRAGMA user_version = ${version}`);
    const insert = sqlite.prepare(`
      INSERT INTO documents (id, kind, version, shard, wake_at, state, distributor, body)
      VALUES (?, ?, 3, ?, ?, ?, ?, ?)`);
    for (const write of documents) {
      const { shard = null, wakeAt = null, state = null, distributor = null } = write.doc as Partial<Attempt>;
      const ofAttempt = write.kind === 'attempt' ? [state, distributor] : [null, null];
      insert.run(idOf(write), write.kind, shard, wakeAt, ...ofAttempt, JSON.stringify(write.doc));
    }
    sqlite.close();
    return path;
  }

  /** What was written down to create everything, without comments and line breaks. */
  function schemaOf(path: string): Record<string, string> {
    const database = freshDatabase(path);
    const rows = database.prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL').all();
    database.close();
    const plain = (sql: string) =>
      sql
        .replaceAll(/--.*$/gm, '')
        .replaceAll(/\s+/g, ' ')
        .replaceAll(/ ?([(),]) ?/g, '$1');
    return Object.fromEntries(rows.map(({ name, sql }) => [String(name), plain(String(sql))]));
  }

  const attempts = [
    attemptIn('SCHEDULING', { attempt: 1 }),
    attemptIn('FINISHED', { attempt: 2 }),
    attemptIn('WAITING', { attempt: 3 }),
  ];
  const documents: Write[] = [
    { kind: 'quest', doc: questFixture() },
    ...attempts.map(doc => ({ kind: 'attempt', doc }) as const),
    ...EXECUTION_STATES.map((state, n) => ({
      kind: 'execution' as const,
      doc: executionIn(state, { execution: n + 1 }),
    })),
  ];

  test.each(OLDER)('of %i has all its documents, and is a file of this version', async version => {
    const path = fileOf(version, documents);
    const database = freshDatabase(path);
    const store = createStore(database);
    for (const write of documents)
      expect((await store.get(write.kind, idOf(write) as Ids[Kind]))?.doc).toEqual(write.doc);
    expect((await store.listAttempts({ pageSize: 10 })).items).toEqual(attempts);
    const { shard, wakeAt = 0 } = attempts[0]!;
    expect((await store.due('attempt', shard, wakeAt, 10)).items).toHaveLength(1);

    // It can be written as any other, and is opened again as what it is now.
    const { version: read } = (await store.get('attempt', idOfAttempt(attempts[0]!)))!;
    const next = attemptIn('EXECUTING', { revision: 2 });
    const asking = { dependent: idOfAttempt(next), execution: 1, ask: 1, spare: 0 };
    const edge = decideEdge(undefined, idOfAttempt(attempts[1]!), asking, CREATED_AT);
    await store.commit([
      { kind: 'attempt', doc: next, ifVersion: read },
      { kind: 'edge', doc: edge },
    ]);
    database.close();
    const again = createStore(freshDatabase(path));
    expect((await again.listEdges({ dependent: edge.dependent, limit: 5 })).items.map(({ doc }) => doc)).toEqual([
      edge,
    ]);
    expect((await again.get('attempt', idOfAttempt(next)))?.doc).toEqual(next);
  });

  test.each(OLDER)('of %i has the same tables and indexes afterwards as a new one', version => {
    expect(schemaOf(fileOf(version, []))).toEqual(schemaOf(databasePath()));
  });

  test.each(OLDER)('of %i that cannot become one of this version stays as it is', version => {
    const path = fileOf(version, documents);
    const sqlite = new DatabaseSync(path);
    // In the way of the last migration.
    sqlite.exec('CREATE TABLE documents_in_line (id TEXT)');
    sqlite.close();
    expect(() => openDatabase(path)).toThrow(/documents_in_line/);
    const left = new DatabaseSync(path);
    onTestFinished(() => left.close());
    expect(left.prepare('PRAGMA user_version').get()).toEqual({ user_version: version });
    const count = left.prepare('SELECT count(*) AS count FROM documents').get();
    expect(count).toEqual({ count: documents.length });
  });
});

describe('the group commit', () => {
  function openWithNotes(): Database & { notes(): string[]; write(text: string): void } {
    const database = freshDatabase();
    database.prepare('CREATE TABLE notes (text TEXT)').run();
    const select = database.prepare('SELECT text FROM notes');
    const insert = database.prepare('INSERT INTO notes VALUES (?)');
    return {
      ...database,
      notes: () => (select.all() as { text: string }[]).map(({ text }) => text),
      write: text => void insert.run(text),
    };
  }

  test('undoes only the writes of the caller that failed', async () => {
    const { transact, write, notes } = openWithNotes();
    const mistake = new Error('changed my mind');
    const outcomes = await Promise.allSettled([
      transact(() => write('before')),
      transact(() => {
        write('undone');
        throw mistake;
      }),
      transact(() => write('after')),
    ]);
    expect(outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason : 'done'))).toEqual([
      'done',
      mistake,
      'done',
    ]);
    expect(notes()).toEqual(['before', 'after']);
  });

  test('gives each caller what its work returned', async () => {
    const { transact } = openWithNotes();
    expect(await Promise.all([transact(() => 'one'), transact(() => undefined), transact(() => 3)])).toEqual([
      'one',
      undefined,
      3,
    ]);
  });

  test('shows nothing before it is committed', async () => {
    const { transact, write, notes } = openWithNotes();
    const writing = transact(() => write('one'));
    expect(notes()).toEqual([]);
    await writing;
    expect(notes()).toEqual(['one']);
  });

  test('fails for all as a transient error when the commit itself fails, and works again after that', async () => {
    const { transact, write, notes, prepare } = openWithNotes();
    prepare('CREATE TABLE parents (id INTEGER PRIMARY KEY)').run();
    // Looked at by COMMIT only.
    prepare('CREATE TABLE children (parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)').run();
    const orphan = prepare('INSERT INTO children VALUES (1)');
    const outcomes = await Promise.allSettled([transact(() => write('one')), transact(() => orphan.run())]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(TransientError) });
    expect(notes()).toEqual([]);
    await transact(() => write('two'));
    expect(notes()).toEqual(['two']);
  });

  test.each([
    ['undoes one statement', 'INSERT INTO notes SELECT value FROM json_each(?)'],
    ['undoes the whole transaction', 'INSERT INTO notes VALUES (?)'],
  ])('a full disk that %s is a transient error, and works again once there is room', async (_, sql) => {
    const { transact, write, notes, prepare } = openWithNotes();
    prepare('CREATE UNIQUE INDEX different_notes ON notes (text)').run();
    const insert = prepare(sql);
    const large = JSON.stringify(['a', 'b'].map(letter => letter.repeat(500_000)));
    const { page_count: pages } = prepare('PRAGMA page_count').get() as { page_count: number };
    prepare(`PRAGMA max_page_count = ${pages + 1}`).get();
    await expect(transact(() => insert.run(large))).rejects.toThrow(TransientError);
    expect(notes()).toEqual([]);
    await transact(() => write('small'));
    prepare(`PRAGMA max_page_count = ${pages + 2000}`).get();
    await transact(() => insert.run(large));
    expect(notes().length).toBeGreaterThan(1);
  });

  test('closing commits what is pending; afterwards nothing is accepted', async () => {
    const path = databasePath();
    const database = freshDatabase(path);
    const store = createStore(database);
    const quest = questFixture();
    const committing = store.commit([{ kind: 'quest', doc: quest }]);
    database.close();
    await committing;
    await expect(database.transact(() => 1)).rejects.toThrow(TransientError);
    expect((await createStore(freshDatabase(path)).get('quest', quest.id))?.doc).toEqual(quest);
  });
});

test('what was acknowledged before a kill -9 is there afterwards, and nothing by half', async () => {
  const path = databasePath();
  const acknowledged = await killAfter(spawnWriter(path), 500);
  expect(acknowledged.length).toBeGreaterThanOrEqual(500);

  const database = freshDatabase(path);
  const store = createStore(database);
  const quest = questFixture().id;
  // A few more may have been committed than could be acknowledged.
  const isStored = await Promise.all(
    Array.from({ length: Math.max(...acknowledged) + 100 }, async (_, n) => ({
      attempt: (await store.get('attempt', attemptId(quest, n))) !== undefined,
      execution: (await store.get('execution', executionId(quest, n, 1))) !== undefined,
    })),
  );
  for (const n of acknowledged) expect(isStored[n]).toEqual({ attempt: true, execution: true });
  for (const { attempt, execution } of isStored) expect(execution).toBe(attempt);
  expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });

  const inbox = createInbox<unknown>();
  const queue = createQueue(database, { ...fastDelivery(), deliver: async ({ body }) => inbox.add(body.id) });
  queue.start();
  const expected = acknowledged.map(n => attemptId(quest, n));
  await inbox.until(ids => expected.every(id => ids.includes(id)));
  await queue.stop(5000);
});
