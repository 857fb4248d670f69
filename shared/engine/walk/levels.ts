import { type Attempt, idOfAttempt } from '../../core/attempt.ts';
import type { AttemptId } from '../../core/ids.ts';
import { PAGE_SIZE, pagesOf } from '../pages.ts';
import type { Parts } from '../parts.ts';
import type { Search, WalkRequest } from './request.ts';

/** An attempt that a walk comes to. */
export interface Entry {
  id: AttemptId;
  /** Where the search has read it already. */
  attempt?: Attempt;
}

/** A part of a level: at most `PAGE_SIZE` entries, in order. */
export interface Batch {
  entries: Entry[];
  /** Later batches come after this. */
  end: AttemptId;
}

/** A part of a level: after one id, and up to and with another. */
export interface Range {
  after?: AttemptId | undefined;
  upTo?: AttemptId | undefined;
}

/** The attempts at one depth of a walk, ordered by id. */
export type Level = (range: Range) => AsyncIterable<Batch> | Iterable<Batch>;

/** Of ids in order. */
export function levelOf(ids: readonly AttemptId[]): Level {
  return range => batchesOf(ids.filter(isIn(range)).map(id => ({ id })));
}

/** Where a walk begins. */
export function firstLevel(parts: Parts, { starts, search, isExcluded }: WalkRequest): Level {
  if (search === undefined) return levelOf(starts);
  return range => searchLevel(parts, starts, { ...search, isExcluded }, range);
}

/**
 * What is found, and the attempts that are named besides. A batch without entries says that nothing was found up to its
 * end, and that the search goes on.
 */
async function* searchLevel(
  { store }: Parts,
  named: readonly AttemptId[],
  search: Search & Pick<WalkRequest, 'isExcluded'>,
  { after, upTo }: Range,
): AsyncGenerator<Batch> {
  const { state, distributor, isExcluded } = search;
  const query = { ...(state && { state }), ...(distributor !== undefined && { distributor }), pageSize: PAGE_SIZE };
  for (let from = after; ; ) {
    const page = await store.listAttempts({ ...query, ...(from && { after: from }) });
    // The place where the next page begins is the last id of this one.
    const next = page.next as AttemptId | undefined;
    const isLast = next === undefined || (upTo !== undefined && next >= upTo);
    const isHere = isIn({ after: from, upTo: isLast ? upTo : next });
    const entries = new Map(named.filter(isHere).map((id): [AttemptId, Entry] => [id, { id }]));
    for (const attempt of page.items) {
      const id = idOfAttempt(attempt);
      if (isHere(id) && !isExcluded(id) && isCreatedIn(search, attempt)) entries.set(id, { id, attempt });
    }
    yield* batchesOf([...entries.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    if (isLast) return;
    if (entries.size === 0) yield { entries: [], end: next };
    from = next;
  }
}

function isCreatedIn({ createdAfter = -Infinity, createdBefore = Infinity }: Search, { createdAt }: Attempt): boolean {
  return createdAfter < createdAt && createdAt < createdBefore;
}

function isIn({ after, upTo }: Range): (id: AttemptId) => boolean {
  return id => (after === undefined || id > after) && (upTo === undefined || id <= upTo);
}

function batchesOf(entries: readonly Entry[]): Batch[] {
  return pagesOf(entries).map(page => ({ entries: page, end: page.at(-1)!.id }));
}
