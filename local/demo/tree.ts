/** What a tree shows of a node of a graph without cycles. */
export interface TreeNode {
  title: string;
  text: string;
  /** Keys of the nodes below it, in order. */
  below: readonly string[];
}

const SHOWN_ABOVE = 'shown above';

/** The lines of a graph as a tree. A node that can be reached on several ways is drawn in full the first time only. */
export function treeOf(nodes: ReadonlyMap<string, TreeNode>, root: string): string[] {
  const lines: { head: string; text: string }[] = [];
  const drawn = new Set<string>();

  function draw(key: string, stem: { own: string; below: string }): void {
    const { title, text, below } = nodes.get(key)!;
    const isRepeated = drawn.has(key);
    drawn.add(key);
    lines.push({ head: stem.own + title, text: isRepeated ? SHOWN_ABOVE : text });
    if (isRepeated) return;
    below.forEach((child, i) => {
      const isLast = i === below.length - 1;
      draw(child, { own: `${stem.below}${isLast ? '└─ ' : '├─ '}`, below: `${stem.below}${isLast ? '   ' : '│  '}` });
    });
  }

  draw(root, { own: '', below: '' });
  const width = Math.max(...lines.map(({ head }) => head.length));
  return lines.map(({ head, text }) => `${head.padEnd(width)}  ${text}`);
}
