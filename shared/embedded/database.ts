import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { messageOf, TransientError } from '../core/errors.ts';
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.ts';

/**
 * What was committed survives a kill -9 at any moment. A power cut may lose the newest commits (`synchronous = NORMAL`
 * does not wait for the disk at each one) but never leaves half of one.
 */
export interface Database {
  /**
   * Runs `work` in the SQLite transaction that all callers of this event-loop tick share, which doubles the rate. Each is
   * on its own all the same: when it throws, only its own writes are undone and only its promise rejects. Resolves once
   * the transaction is committed; rejects with TransientError when the disk refuses.
   */
  transact<T>(work: () => T): Promise<T>;
  /** A statement prepared once and kept. Reads outside `transact` see what is committed. */
  prepare(sql: string): StatementSync;
  /** Commits what is pending. */
  close(): void;
}

/** Primary result codes that say nothing about the statement (https://sqlite.org/rescode.html). */
const STORAGE_FAILURES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  7: 'SQLITE_NOMEM',
  10: 'SQLITE_IOERR',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
};
const SQLITE_BUSY = 5;

/**
 * A checkpoint stops the process for as long as it takes to write its pages, and pages written often in between are
 * written once: 10,000 pages (40 MB of log) made 50 µs of a write, the default of 1,000 made it 77.
 */
const PRAGMAS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 10000;
  PRAGMA cache_size = -32768;
  PRAGMA temp_store = MEMORY;
`;

/** Throws when another process has the file open, or when it was written by a newer version. */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true });
  const sqlite = new DatabaseSync(path);
  try {
    sqlite.exec(PRAGMAS);
    createSchema(sqlite, path);
  } catch (error) {
    sqlite.close();
    if (resultCode(error) === SQLITE_BUSY) throw new Error(`${path} is in use by another process`, { cause: error });
    throw error;
  }
  return createDatabase(sqlite);
}

function createSchema(sqlite: DatabaseSync, path: string): void {
  // Also takes the exclusive lock, which is then held until the file is closed.
  sqlite.exec('BEGIN EXCLUSIVE');
  const { user_version: version } = sqlite.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version === 0) sqlite.exec(`${SCHEMA}; PRAGMA user_version = ${SCHEMA_VERSION}`);
  else migrate(sqlite, path, version);
  sqlite.exec('COMMIT');
}

function migrate(sqlite: DatabaseSync, path: string, from: number): void {
  for (let version = from; version !== SCHEMA_VERSION; version++) {
    const migration = MIGRATIONS[version];
    if (migration === undefined)
      throw new Error(`${path} has version ${version}; this program reads version ${SCHEMA_VERSION}`);
    sqlite.exec(`${migration}; PRAGMA user_version = ${version + 1}`);
  }
}

interface Pending {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

function createDatabase(sqlite: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  const begin = sqlite.prepare('BEGIN');
  const commit = sqlite.prepare('COMMIT');
  const savepoint = sqlite.prepare('SAVEPOINT work');
  const release = sqlite.prepare('RELEASE work');
  const undo = sqlite.prepare('ROLLBACK TO work');
  let group: Pending[] = [];

  function flush(): void {
    const members = group;
    if (members.length === 0) return;
    group = [];
    try {
      begin.run();
      const settlements = members.map(perform);
      commit.run();
      for (const settle of settlements) settle();
    } catch (error) {
      if (sqlite.isTransaction) sqlite.exec('ROLLBACK');
      for (const { reject } of members) reject(new TransientError(`commit: ${messageOf(error)}`, { cause: error }));
    }
  }

  /** Returns how to tell the caller once the group is committed. */
  function perform({ work, resolve, reject }: Pending): () => void {
    savepoint.run();
    try {
      const value = work();
      release.run();
      return () => resolve(value);
    } catch (error) {
      // Throws when SQLite has already rolled back everything, as it does when the disk is full: then the group fails.
      undo.run();
      release.run();
      return () => reject(asTransient(error));
    }
  }

  return {
    transact: <T>(work: () => T) =>
      new Promise<T>((resolve, reject) => {
        if (!sqlite.isOpen) throw new TransientError('the database is closed');
        if (group.length === 0) setImmediate(flush);
        group.push({ work, resolve: value => resolve(value as T), reject });
      }),
    prepare(sql) {
      let statement = statements.get(sql);
      if (statement === undefined) {
        statement = sqlite.prepare(sql);
        statements.set(sql, statement);
      }
      return statement;
    },
    close() {
      flush();
      sqlite.close();
    },
  };
}

function asTransient(error: unknown): unknown {
  const name = STORAGE_FAILURES[resultCode(error)];
  return name === undefined ? error : new TransientError(`${name}: ${messageOf(error)}`, { cause: error });
}

/** The primary result code of an error of node:sqlite; 0 for any other. */
function resultCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : 0;
}
