import { parseArgs } from 'node:util';
import { findEmulators } from '../local/emulators/google.ts';
import { adapters } from './adapters.ts';
import { budget } from './budget.ts';
import { cost } from './cost.ts';
import { deployedMemory } from './deployed-memory.ts';
import { edgeCost } from './edge-cost.ts';
import { engine } from './engine.ts';
import { type Bench, describeMachine, formatTable } from './figures.ts';
import { graph } from './graph.ts';
import { limits } from './limits.ts';
import { limitsWire } from './limits-wire.ts';
import { memory } from './memory.ts';
import { polls } from './polls.ts';
import { stack } from './stack.ts';
import { start } from './start.ts';
import { sweep } from './sweep.ts';
import { walk } from './walk.ts';
import { wire } from './wire.ts';

/** On SQLite. */
const EMBEDDED = { budget, 'edge-cost': edgeCost, engine, stack, graph, walk, sweep, polls, limits, memory, adapters };
/** On Google's emulators. */
const GOOGLE = { start, 'deployed-memory': deployedMemory, wire, 'limits-wire': limitsWire, cost };
const BENCHES: Readonly<Record<string, Bench>> = { ...EMBEDDED, ...GOOGLE };

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } });
const unknown = positionals.filter(name => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(', ')}; choose from ${Object.keys(BENCHES).join(', ')}`);
  process.exit(1);
}

// The clients would look for a metadata server first, for seconds.
process.env.METADATA_SERVER_DETECTION ??= 'none';

console.log(`${describeMachine()}${values.quick ? '; quick: a tenth of each load' : ''}`);
const { missing } = findEmulators();
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  if (missing.length > 0 && Object.hasOwn(GOOGLE, name)) {
    console.error(`\n## ${name}\n\nnot run: it needs ${missing.join(', ')}`);
    process.exitCode = 1;
    continue;
  }
  const scale = { runs: 3, scaled: (count: number) => (values.quick ? Math.ceil(count / 10) : count) };
  console.log(`\n## ${name}\n\n${formatTable(await bench(scale))}`);
}
