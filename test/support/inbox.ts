/** Collects what arrives, so that a test can await it. */
export interface Inbox<Item> {
  readonly items: readonly Item[];
  add(item: Item): void;
  first(): Promise<Item>;
  /** Resolves with all items as soon as the condition holds for them. */
  until(condition: (items: readonly Item[]) => boolean): Promise<readonly Item[]>;
}

export function createInbox<Item>(): Inbox<Item> {
  const items: Item[] = [];
  const waiters = new Set<() => void>();
  const until: Inbox<Item>['until'] = condition =>
    new Promise(resolve => {
      function look(): void {
        if (!condition(items)) return;
        waiters.delete(look);
        resolve([...items]);
      }
      waiters.add(look);
      look();
    });
  return {
    items,
    add(item) {
      items.push(item);
      for (const look of waiters) look();
    },
    until,
    first: async () => (await until(({ length }) => length > 0))[0] as Item,
  };
}
