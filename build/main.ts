import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../shared/core/errors.ts';
import { inputTable, overBudget, sizeTable } from './budget.ts';
import { build } from './build.ts';

const HELP = `npm run build [-- OPTION…]   bundles the five functions, ready to be deployed

  --distributors FILE   the distributors file that is built in; DISTRIBUTORS, or distributors.yaml
  --out DIR             where to; dist
  --report              with the largest sources of each bundle
  --help`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      distributors: { type: 'string' },
      out: { type: 'string' },
      report: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const distributorsFile = resolve(values.distributors ?? (process.env.DISTRIBUTORS || 'distributors.yaml'));
  const outDir = resolve(values.out ?? 'dist');
  const { sizes, leftOut } = await build({ distributorsFile, outDir });
  if (values.report) for (const size of sizes) console.log(`${inputTable(size)}\n`);
  console.log(`${sizeTable(sizes)}\n\n${relative('.', outDir) || '.'}/ is ready to be deployed.`);
  if (leftOut.length > 0) console.log(`Left out, since commands run on one machine only: ${leftOut.join(', ')}.`);
  const problems = overBudget(sizes);
  if (problems.length > 0) throw new Error(`too large: ${problems.join('; ')}`);
}

main().catch((error: unknown) => {
  console.error(`cannot build: ${messageOf(error)}`);
  process.exitCode = 1;
});
