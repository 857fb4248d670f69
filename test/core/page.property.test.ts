import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pageOf } from '../../shared/core/page.ts';

test('walking page by page shows every row once, in order, on full pages, and ends without an empty one', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 12 }), (count, size) => {
      const rows = Array.from({ length: count }, (_, n) => n);
      const pages: string[][] = [];
      for (let after: string | undefined = '-1'; after !== undefined; ) {
        const found = rows.filter(row => row > Number(after)).slice(0, size + 1);
        const page = pageOf(found, size, row => `item ${row}`, String);
        pages.push(page.items);
        after = page.next;
      }
      expect(pages.flat()).toEqual(rows.map(row => `item ${row}`));
      expect(pages.slice(0, -1).every(({ length }) => length === size)).toBe(true);
      expect(pages.at(-1)!.length > 0 || count === 0).toBe(true);
    }),
  );
});
