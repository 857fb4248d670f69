import { parseArgs } from 'node:util';
import { budget } from './budget.ts';
import { engine } from './engine.ts';
import { type Bench, describeMachine, formatTable } from './figures.ts';
import { memory } from './memory.ts';
import { stack } from './stack.ts';
import { sweep } from './sweep.ts';

const BENCHES: Readonly<Record<string, Bench>> = { budget, engine, stack, sweep, memory };

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } });
const unknown = positionals.filter(name => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(', ')}; choose from ${Object.keys(BENCHES).join(', ')}`);
  process.exit(1);
}

console.log(`${describeMachine()}${values.quick ? '; quick: a tenth of each load' : ''}`);
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const scale = { runs: 3, scaled: (count: number) => (values.quick ? Math.ceil(count / 10) : count) };
  console.log(`\n## ${name}\n\n${formatTable(await bench(scale))}`);
}
