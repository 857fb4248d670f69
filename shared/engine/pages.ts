import type { Page } from '../core/ports.ts';

/** How many documents are read or written at the same time. */
export const PAGE_SIZE = 100;

export function pagesOf<Item>(items: Iterable<Item>): Item[][] {
  const all = [...items];
  return Array.from({ length: Math.ceil(all.length / PAGE_SIZE) }, (_, n) =>
    all.slice(n * PAGE_SIZE, (n + 1) * PAGE_SIZE),
  );
}

/** All items of a list that comes in pages. */
export async function allOf<Item>(list: (after: { after?: string }) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  for (let after: string | undefined; ; ) {
    const page = await list(after === undefined ? {} : { after });
    items.push(...page.items);
    if (page.next === undefined) return items;
    after = page.next;
  }
}
