/** Rises with every change of the tables below; a file of another version is refused. */
export const SCHEMA_VERSION = 3;

/**
 * Ordinary rowid tables: WITHOUT ROWID made a million inserts take 99 s instead of 36–40 s. Bodies come last, so that a
 * scan over the other columns does not read them.
 */
const EDGES = `
  -- That a dependent has asked for a dependency. open_for names the wait that counts the edge, as long as it is open.
  CREATE TABLE edges (
    id TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    dependent TEXT NOT NULL,
    dependency TEXT NOT NULL,
    open_for TEXT,
    body TEXT NOT NULL
  );
  CREATE INDEX edges_of_dependent ON edges (dependent, id);
  CREATE INDEX edges_of_dependency ON edges (dependency, id);
  CREATE INDEX edges_open ON edges (open_for, id) WHERE open_for IS NOT NULL;
`;

const LINES = `
  CREATE INDEX documents_in_line ON documents (line, place, id) WHERE line IS NOT NULL;
`;

/** What makes a file of the next version of one of this version, by version. */
export const MIGRATIONS: Readonly<Record<number, string>> = {
  1: EDGES,
  2: `ALTER TABLE documents ADD COLUMN line TEXT; ALTER TABLE documents ADD COLUMN place INTEGER; ${LINES}`,
};

export const SCHEMA = `
  ${EDGES}

  -- Quests, attempts, executions and slots in one table: their ids differ in shape, and those of one quest are neighbours, so
  -- that a commit of several of them touches few pages.
  CREATE TABLE documents (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    shard INTEGER,
    wake_at INTEGER,
    state TEXT,       -- of attempts only
    distributor TEXT, -- of attempts only
    body TEXT NOT NULL,
    -- Of attempts that wait for a slot and of free slots. Found by the index only, so they may stand behind the body.
    line TEXT, place INTEGER
  );
  ${LINES}
  CREATE INDEX documents_due ON documents (kind, shard, wake_at) WHERE wake_at IS NOT NULL;
  -- Also answers state and distributor together from the index alone. Every index that holds the state costs a third of
  -- the writes' rate, so there is only one.
  CREATE INDEX documents_by_state ON documents (state, id, distributor) WHERE state IS NOT NULL;
  CREATE INDEX documents_by_distributor ON documents (distributor, id) WHERE distributor IS NOT NULL;

  CREATE TABLE adapter_documents (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    expire_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
  );
  CREATE INDEX adapter_documents_expiry ON adapter_documents (expire_at);

  -- AUTOINCREMENT, because the id is shown outside as the task's or message's and must never come back.
  CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    name TEXT,
    due_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    payload TEXT NOT NULL
  );
  CREATE INDEX deliveries_due ON deliveries (channel, due_at);

  -- A name outlives its delivery: it is free again after free_at, which is null while the delivery exists.
  CREATE TABLE delivery_names (
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    free_at INTEGER,
    PRIMARY KEY (channel, name)
  );
  CREATE INDEX delivery_names_free ON delivery_names (free_at) WHERE free_at IS NOT NULL;

  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    name TEXT,
    tries INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    payload TEXT NOT NULL
  );
  CREATE INDEX dead_letters_by_channel ON dead_letters (channel);
`;
