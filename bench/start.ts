import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from '../build/build.ts';
import { FRAMEWORK } from '../build/bundle.ts';
import { deployable } from '../build/distributors.ts';
import { DEPLOYED_TYPES, ROOT, unbundledEntry } from '../build/entry.ts';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import { environmentOf, NODE_OPTIONS } from '../local/emulators/functions.ts';
import { startFirestoreEmulator } from '../local/emulators/google.ts';
import { portsFrom } from '../local/emulators/ports.ts';
import { parseDistributors } from '../shared/adapters/distributors.ts';
import { typeTable } from '../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../shared/adapters/types.ts';
import { type Figure, median, type Scale } from './figures.ts';
import { inTemporaryDirectory } from './load.ts';
import { seedQuestions } from './seed.ts';
import { measureStart, type Program, type Start } from './start-time.ts';

const RUNS = 9;
const FEWEST_RUNS = 3;

const DISTRIBUTORS_FILE = join(import.meta.dirname, 'distributors.yaml');
const BARE = `require('${FRAMEWORK}').http('bare', (request, response) => void response.end('hello'));\n`;

/**
 * From the start of the process to its first answer that needed Firestore, for each function as it is deployed and as it
 * is written, beside a function that only says hello. In turns, so that what else the machine does meets all alike.
 */
export async function start({ scaled }: Scale): Promise<Figure[]> {
  const runs = Math.max(FEWEST_RUNS, scaled(RUNS));
  return inTemporaryDirectory(async written => {
    // Below node_modules a bundle finds the framework; but there Node does not run TypeScript.
    await mkdir(join(ROOT, 'node_modules/.cache'), { recursive: true });
    const bundled = await mkdtemp(join(ROOT, 'node_modules/.cache/bench-'));
    try {
      return figuresOf(await measure(await createPrograms(written, bundled), runs));
    } finally {
      await rm(bundled, { recursive: true });
    }
  });
}

interface Programs {
  programs: Record<string, Program>;
  close(): Promise<void>;
}

async function createPrograms(written: string, bundled: string): Promise<Programs> {
  const types = typeTable(ADAPTER_TYPES);
  const { file } = deployable(DISTRIBUTORS_FILE, types);
  const distributors = parseDistributors(file, types);
  const keyring = { current: 'k1', keys: { k1: Buffer.alloc(32, 1) } };

  await build({ distributorsFile: DISTRIBUTORS_FILE, outDir: bundled });
  await writeProgram(join(bundled, 'bare'), 'index.js', BARE, 'commonjs');
  for (const name of FUNCTION_NAMES) {
    const text = unbundledEntry({ name, types: DEPLOYED_TYPES, distributors: file });
    await writeProgram(join(written, name), 'index.ts', text, 'module');
  }

  const firestore = await startFirestoreEmulator();
  const questions = await seedQuestions({ firestoreHost: firestore.host, types, distributors, keyring });
  const urls = Object.fromEntries(FUNCTION_NAMES.map(name => [name, 'http://127.0.0.1:1'])) as Record<
    FunctionName,
    string
  >;
  const world = {
    settings: { port: 0, dataDir: written, distributorsFile: DISTRIBUTORS_FILE, logLevel: 'error' as const },
    distributors,
    keyring,
    urls,
    firestoreHost: firestore.host,
    // None of the questions has anything published or enqueued.
    pubsubHost: '127.0.0.1:1',
    tasksHost: '127.0.0.1:1',
  };
  const programOf = (name: FunctionName, folder: string): Program => ({
    source: join(folder, name),
    target: name,
    ...questions[name],
    expected: 200,
    environment: definedOnly(environmentOf(name, world)),
  });
  const bare: Program = {
    source: join(bundled, 'bare'),
    target: 'bare',
    method: 'GET',
    path: '/',
    expected: 200,
    environment: { NODE_OPTIONS },
  };
  return {
    programs: {
      bare,
      ...Object.fromEntries(FUNCTION_NAMES.map(name => [`${name}, bundled`, programOf(name, bundled)])),
      ...Object.fromEntries(FUNCTION_NAMES.map(name => [`${name}, unbundled`, programOf(name, written)])),
    },
    close: firestore.close,
  };
}

async function measure({ programs, close }: Programs, runs: number): Promise<Map<string, Start[]>> {
  const starts = new Map(Object.keys(programs).map(name => [name, [] as Start[]]));
  try {
    const { api: port } = await portsFrom(0);
    // The first of each reads files that are in no cache yet; it is not counted.
    for (let run = 0; run <= runs; run++) {
      for (const [name, program] of Object.entries(programs)) {
        const measured = await measureStart(program, port);
        if (run > 0) starts.get(name)!.push(measured);
      }
    }
    return starts;
  } finally {
    await close();
  }
}

function figuresOf(starts: ReadonlyMap<string, Start[]>): Figure[] {
  const elapsed = (name: string) => starts.get(name)!.map(({ elapsedMs }) => elapsedMs);
  const ratio = (name: string, to: string) => [median(elapsed(name)) / median(elapsed(to))];
  return [
    ...[...starts.keys()].map(name => ({ name: `start, ${name}`, unit: 'ms', runs: elapsed(name) })),
    ...FUNCTION_NAMES.flatMap((name): Figure[] => [
      {
        name: `${name}, bundled / bare`,
        unit: 'of medians',
        runs: ratio(`${name}, bundled`, 'bare'),
        target: { atMost: 3 },
      },
      {
        name: `${name}, bundled / unbundled`,
        unit: 'of medians',
        runs: ratio(`${name}, bundled`, `${name}, unbundled`),
        target: { atMost: 1 },
      },
    ]),
  ];
}

async function writeProgram(folder: string, main: string, text: string, type: 'commonjs' | 'module'): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ main, type }));
  await writeFile(join(folder, main), text);
}

function definedOnly(variables: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
