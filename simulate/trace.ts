/** What happened in a world, step by step. */
export interface Trace {
  /** The text is only made where somebody wants to read it. */
  add(time: number, event: string, detail?: () => string): void;
  /** Equal for equal traces. */
  hash(): string;
  /** Empty unless the trace is kept. */
  lines(): readonly string[];
}

export function createTrace(start: number, keep: boolean): Trace {
  const lines: string[] = [];
  let hash = 0x811c9dc5;
  let second = 0;
  return {
    add(time, event, detail) {
      hash = Math.imul(hash ^ (time - start), 0x01000193);
      for (let i = 0; i < event.length; i++) hash = Math.imul(hash ^ event.charCodeAt(i), 0x01000193);
      second = (Math.imul(second, 31) + hash) | 0;
      if (!keep) return;
      const at = ((time - start) / 1000).toFixed(3).padStart(10);
      lines.push(`${at}  ${event}${detail === undefined ? '' : `  ${detail()}`}`);
    },
    hash: () => (hash >>> 0).toString(16).padStart(8, '0') + (second >>> 0).toString(16).padStart(8, '0'),
    lines: () => lines,
  };
}
