/** How many documents are read or written at the same time. */
export const PAGE_SIZE = 100;

export function pagesOf<Item>(items: Iterable<Item>): Item[][] {
  const all = [...items];
  return Array.from({ length: Math.ceil(all.length / PAGE_SIZE) }, (_, n) =>
    all.slice(n * PAGE_SIZE, (n + 1) * PAGE_SIZE),
  );
}
