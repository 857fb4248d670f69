import { parseArgs } from 'node:util';
import { wholeNumber } from '../options.ts';
import { hunt, type Hunted } from './hunt.ts';
import { MUTANTS, SEEDS } from './table.ts';

const USAGE = `Usage: npm run mutants -- [--seeds N] [NAME…]

Plants each deliberate bug of simulate/mutants/table.ts, or those whose names hold one of the words, and simulates worlds
(or the fault matrix of a story, where the bug names one) until an invariant is broken. Exits with 1 when one survives.

  --seeds N   how many worlds each gets (${SEEDS})`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  console.log(USAGE);
} else {
  const chosen = MUTANTS.filter(
    ({ name }) => positionals.length === 0 || positionals.some(word => name.includes(word)),
  );
  const hunted = await hunt(chosen, wholeNumber(values.seeds, 'seeds') ?? SEEDS, tell);
  const survived = hunted.filter(({ caught }) => caught === undefined);
  // For a mutant to pass is to be caught.
  console.log(`${hunted.length - survived.length} passed, ${survived.length} failed`);
  process.exitCode = survived.length > 0 || hunted.length === 0 ? 1 : 0;
}

function tell({ mutant, caught }: Hunted): void {
  const fate = caught === undefined ? 'SURVIVED' : caught.where;
  console.log(`${fate.padEnd(14)}  ${mutant.name.padEnd(66)}  ${caught?.invariant ?? ''}`);
}
