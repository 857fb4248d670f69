import { ifReadable } from './documents.ts';
import type { Page } from './ports.ts';

/** The page of `rows`, which were asked for with one more than its size, so as to know whether another follows. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  size: number,
  itemOf: (row: Row) => Item,
  cursorOf: (last: Row) => string,
): Page<Item> {
  const shown = rows.slice(0, size);
  const last = shown.at(-1);
  const items = shown.map(itemOf);
  return rows.length > size && last !== undefined ? { items, next: cursorOf(last) } : { items };
}

/**
 * A page of rows that were asked for with no more than its size, as where mostly one is wanted and reading another costs:
 * that another follows is not certain.
 */
export function fullPageOf<Row, Item>(
  rows: readonly Row[],
  size: number,
  read: (row: Row) => Item,
  cursorOf: (last: Row) => string,
): Page<Item> {
  const items = rows.flatMap(row => ifReadable(() => read(row)) ?? []);
  const last = rows.at(-1);
  return rows.length === size && last !== undefined ? { items, next: cursorOf(last) } : { items };
}

/** A page as `pageOf` makes it, without the documents that cannot be read: who wants a broken one gets the error from `get`. */
export function readablePage<Row, Item>(
  rows: readonly Row[],
  size: number,
  read: (row: Row) => Item,
  cursorOf: (last: Row) => string,
): Page<Item> {
  const { items, ...next } = pageOf(rows, size, row => ifReadable(() => read(row)), cursorOf);
  return { ...next, items: items.filter(item => item !== undefined) };
}
