/** One thread of virtual time: events in order of their time, and of their making where that is equal. */
export interface Scheduler {
  /** Epoch milliseconds. */
  now(): number;
  /** Returns what takes the event back. */
  at(time: number, act: () => void): () => void;
  after(milliseconds: number, act: () => void): () => void;
  /** Lets time pass until `isOver`, or until nothing is left to happen before `end`. */
  run(end: number, isOver: () => boolean): Promise<void>;
  /** Events so far. */
  steps(): number;
}

interface Event {
  time: number;
  order: number;
  act: (() => void) | undefined;
}

export function createScheduler(start: number): Scheduler {
  let now = start;
  let orders = 0;
  let steps = 0;
  const heap: Event[] = [];

  function at(time: number, act: () => void): () => void {
    const event: Event = { time: Math.max(time, now), order: orders++, act };
    push(heap, event);
    return () => {
      event.act = undefined;
    };
  }

  return {
    now: () => now,
    at,
    after: (milliseconds, act) => at(now + milliseconds, act),
    async run(end, isOver) {
      await settle();
      while (heap.length > 0 && heap[0]!.time <= end && !isOver()) {
        const { time, act } = pop(heap);
        now = time;
        if (act === undefined) continue;
        steps++;
        act();
        await settle();
      }
    },
    steps: () => steps,
  };
}

/** Everything that can go on without an event has gone on: promises settle before the event loop turns. */
function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

function isBefore(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** A binary heap, the next event in front. */
function push(heap: Event[], event: Event): void {
  let i = heap.push(event) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = event;
}

function pop(heap: Event[]): Event {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = last;
  return first;
}
