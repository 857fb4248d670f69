import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * Asks for tests of the sample project: `npx node samples/build/request.ts glossary tally` prints a request for
 * graph:ensure. A description holds the hashes of all that its result depends on, sources and tools: what is unchanged has
 * the same quest id, and is not built again.
 */

interface Desc {
  distributorConfigName: string;
  parameters: object;
  distributorParameters: object;
  meta?: object;
}

const SOURCE = ['source.mjs', 'hash.mjs'];
const STEP = ['step.mjs', 'job.mjs', 'hash.mjs'];

function source(name: string): Desc {
  return command(SOURCE, { step: 'source', name, content: hashOf([`project/${name}`]) });
}

function step(kind: 'library' | 'program' | 'test', name: string, needs: Desc[], more: object = {}): Desc {
  return { ...command(STEP, { step: kind, name, needs, ...more }), meta: { mode: 'interactive' } };
}

/** The first file is the program; the others are what it imports. */
function command(files: string[], parameters: object): Desc {
  return {
    distributorConfigName: 'shell',
    parameters: { ...parameters, tool: hashOf(files) },
    distributorParameters: { command: ['node', `samples/build/${files[0]}`] },
  };
}

function hashOf(files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(new URL(file, import.meta.url)));
  return hash.digest('hex');
}

/** Sources → libraries → programs → tests. Both programs are made with the libraries `text` and `show`. */
function project(): Record<string, Desc> {
  const text = step('library', 'text', [source('common.sh'), source('words.sh')]);
  const show = step('library', 'show', [source('common.sh'), source('frame.sh')]);
  const math = step('library', 'math', [source('count.sh')]);
  const glossary = step('program', 'glossary', [text, show, source('glossary.sh')]);
  const tally = step('program', 'tally', [text, show, math, source('tally.sh')]);
  const input = 'To be, or not to be: that is the question.\n';
  return {
    glossary: step('test', 'glossary', [glossary], {
      input,
      output: ['be', 'is', 'not', 'or', 'question', 'that', 'the', 'to'].map(framed).join(''),
    }),
    tally: step('test', 'tally', [tally], { input, output: framed('10 words') }),
  };
}

function framed(line: string): string {
  return `| ${line.padEnd(10)} |\n`;
}

/** The names are those of tests. */
export function buildRequest(names: readonly string[]): { quests: { desc: Desc }[] } {
  const tests = project();
  return {
    quests: names.map(name => {
      const desc = tests[name];
      if (desc === undefined) throw new Error(`${name} is no test; there are ${Object.keys(tests).join(', ')}`);
      return { desc };
    }),
  };
}

if (import.meta.main) console.log(JSON.stringify(buildRequest(process.argv.slice(2))));
