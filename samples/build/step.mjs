// A step of a build. It asks for what it needs, which is built where it is missing, and ends if it has to wait.
// It keeps no state: run again, it asks for the same and is answered.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { sha256 } from './hash.mjs';
import { activate, ensureGraphData, finish } from './job.mjs';

/** What each kind of step makes of the texts that it needs. */
const STEPS = {
  library: link,
  program: link,
  test([program], { input, output }) {
    const { stdout } = shell(['-c', program], input);
    if (stdout !== output) throw new Error(`printed ${JSON.stringify(stdout)}, not ${JSON.stringify(output)}`);
    return `${stdout.split('\n').length - 1} lines as expected\n`;
  },
};

/** One text of several, checked by the shell. */
function link(texts) {
  const text = texts.join('\n');
  shell(['-n'], text);
  return text;
}

function shell(args, input) {
  const run = spawnSync('sh', args, { input, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`sh: ${run.stderr}`);
  return run;
}

function textOf({ quest, result }) {
  if (result.data !== undefined) return result.data.text;
  const { status, reason } = result.abnormalFinish;
  throw new Error(`needs quest ${quest}, which is ${status}: ${reason}`);
}

async function build(parameters) {
  await activate();
  const { shouldHalt, questIds, graph } = await ensureGraphData({ quests: parameters.needs.map(desc => ({ desc })) });
  if (shouldHalt) return;
  const texts = questIds.map(quest => textOf(graph.quests[quest].attempts[1]));
  const text = STEPS[parameters.step](texts, parameters);
  await finish({ sha256: sha256(text), text });
}

try {
  await build(JSON.parse(readFileSync(0, 'utf8')));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
