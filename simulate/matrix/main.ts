import { parseArgs } from 'node:util';
import { CALL_FAULTS } from '../faults.ts';
import { wholeNumber } from '../options.ts';
import { onAllCores, startThread } from '../threads.ts';
import { runCell } from './matrix.ts';
import { STORIES } from './scenarios.ts';
import type { Told } from './worker.ts';

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
  const total = { passed: 0, failed: 0 };
  const stories = STORIES.keys();
  const start = () => startThread<number, Told>('./matrix/worker.ts');
  await onAllCores(
    start,
    () => stories.next().value,
    ({ story, cells, failures }) => {
      for (const { index: at, fault: how, problem } of failures)
        console.log(`FAILED: --story '${story}' --index ${at} --fault '${how}': it ${problem}`);
      console.log(`${String(cells).padStart(6)} runs of: ${story}`);
      total.failed += failures.length;
      total.passed += cells - failures.length;
    },
  );
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}
