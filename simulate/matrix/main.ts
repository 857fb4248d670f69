import { parseArgs } from 'node:util';
import { CALL_FAULTS } from '../faults.ts';
import { wholeNumber } from '../options.ts';
import { cellsOf, runCell, tryCell } from './matrix.ts';
import { STORIES } from './scenarios.ts';

const USAGE = `Usage: npm run fault-matrix -- [--story NAME --index N --fault HOW]

Records the calls of short stories, and tells each story again with each of its calls failing in each way: every run must
end as it does without the fault. With all three options: that one run, with its trace. HOW: ${CALL_FAULTS.join(', ')}.`;

const { values } = parseArgs({
  options: {
    story: { type: 'string' },
    index: { type: 'string' },
    fault: { type: 'string' },
    help: { type: 'boolean' },
  },
});
const fault = CALL_FAULTS.find(one => one === values.fault);
const index = wholeNumber(values.index, 'index');

if (values.help) console.log(USAGE);
else if (values.story !== undefined && index !== undefined && fault !== undefined) {
  const report = await runCell({ story: values.story, index, fault }, true);
  console.log(report.trace.join('\n'));
} else await tryAll();

async function tryAll(): Promise<void> {
  let passed = 0;
  let failed = 0;
  for (const story of STORIES) {
    const cells = await cellsOf(story);
    for (const cell of cells) {
      const problem = await tryCell(cell);
      if (problem === undefined) {
        passed++;
        continue;
      }
      failed++;
      console.log(`FAILED: --story '${cell.story}' --index ${cell.index} --fault '${cell.fault}': it ${problem}`);
    }
    console.log(`${String(cells.length).padStart(6)} runs of: ${story.name}`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
