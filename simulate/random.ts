/** Chance that depends on nothing but a seed and a name: the same question has the same answer in every run. */

/** A number in [0, 1). FNV-1a over the name, then the finalizer of MurmurHash3. */
export function draw(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A sequence of numbers. */
export interface Stream {
  /** In [0, 1). */
  fraction(): number;
  chance(probability: number): boolean;
  /** A whole number from `low` up to and including `high`. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

/** mulberry32, begun at a draw. */
export function stream(seed: number, name: string): Stream {
  let state = Math.floor(draw(seed, name) * 2 ** 32);
  function fraction(): number {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    fraction,
    chance: probability => fraction() < probability,
    between: (low, high) => low + Math.floor(fraction() * (high - low + 1)),
    pick: items => items[Math.floor(fraction() * items.length)]!,
  };
}
