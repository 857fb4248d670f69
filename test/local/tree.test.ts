import { expect, test } from 'vitest';
import { treeOf } from '../../local/demo/tree.ts';

function draw(below: Record<string, string[]>, root: string): string[] {
  const nodes = Object.entries(below).map(
    ([key, keys]) => [key, { title: `node ${key}`, text: key.repeat(3), below: keys }] as const,
  );
  return treeOf(new Map(nodes), root);
}

test('a node alone is a line', () => {
  expect(draw({ a: [], b: [] }, 'a')).toEqual(['node a  aaa']);
});

test('a node is drawn in full once, however many need it', () => {
  expect(draw({ a: ['b', 'c', 'd'], b: ['d'], c: ['d', 'e'], d: ['e'], e: [] }, 'a')).toEqual([
    'node a           aaa',
    '├─ node b        bbb',
    '│  └─ node d     ddd',
    '│     └─ node e  eee',
    '├─ node c        ccc',
    '│  ├─ node d     shown above',
    '│  └─ node e     shown above',
    '└─ node d        shown above',
  ]);
});
