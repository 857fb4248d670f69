import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs the real deploy.sh with a gcloud, an npm and a sleep that only record what they are called with, and a node that
 * knows the topics of distributors.
 */

export const ROOT = join(import.meta.dirname, '../..');
export const PROJECT_NUMBER = '123456789012';
const FAKES = ['gcloud', 'node', 'npm', 'sleep'];

/** What deploy.sh needs of its folder when npm and node are fakes. */
const SCRIPT = ['deploy.sh', 'deploy', 'distributors.yaml'];

/** What the lists find: the words of the command up to its first flag, and the lines that it prints. */
export type Answers = Record<string, string[]>;

export interface RunOptions {
  settings?: Record<string, string>;
  /** Instead of `settings`, the text of the file. */
  settingsText?: string;
  /** What exists already; nothing unless given. */
  exists?: Answers;
  /** Topics that distributors have of their own, by name, as the distributors file would say. */
  topics?: Record<string, string>;
  stdin?: string;
  failOn?: readonly string[];
  /** How often the line of `failOn` fails; always, unless given. */
  failTimes?: number;
  /** Ctrl-C is pressed while this line runs. */
  interruptOn?: readonly string[];
  /** Another copy of deploy.sh and deploy/. */
  root?: string;
}

export interface Deployment {
  status: number | null;
  stdout: string;
  stderr: string;
  /** Every command that was run, in order, with the name of its program in front. */
  lines: string[][];
  /** Keys that were given to Secret Manager by stdin, by version. */
  keys: Record<string, string>;
}

export const SETTINGS = { PROJECT_ID: 'my-project', REGION: 'us-central1' };

export function runDeploy(args: readonly string[], options: RunOptions = {}): Deployment {
  const { settings = SETTINGS, root: source = ROOT } = options;
  const text = options.settingsText ?? textOf(settings);
  return record(options, directory => {
    const file = join(directory, 'test.env');
    writeFileSync(file, text);
    // Where no programs are installed, so that the fakes are found.
    const root = join(directory, 'root');
    mkdirSync(root);
    for (const name of SCRIPT) symlinkSync(join(source, name), join(root, name));
    return [join(root, 'deploy.sh'), '--settings', file, ...args];
  });
}

/** Runs lines that a dry run printed. */
export function runScript(script: string): Deployment {
  return record({}, () => ['-euc', script]);
}

export function textOf(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function record(options: RunOptions, prepare: (directory: string) => string[]): Deployment {
  const directory = mkdtempSync(join(tmpdir(), 'deploy-'));
  try {
    const bin = join(directory, 'bin');
    const answers = join(directory, 'answers');
    const recordFile = join(directory, 'record');
    mkdirSync(bin);
    mkdirSync(answers);
    writeFileSync(recordFile, '');
    for (const name of FAKES) symlinkSync(join(import.meta.dirname, 'fakes/tool'), join(bin, name));
    const all: Answers = { [`projects describe ${SETTINGS.PROJECT_ID}`]: [PROJECT_NUMBER], ...options.exists };
    for (const [command, lines] of Object.entries(all)) {
      writeFileSync(join(answers, command), lines.map(line => `${line}\n`).join(''));
    }
    const topics = Object.entries(options.topics ?? {}).map(entry => `${entry.join('\t')}\n`);
    writeFileSync(join(answers, 'topics'), topics.join(''));
    // In a process group of its own, as a terminal would start it.
    const { status, stdout, stderr } = spawnSync('setsid', ['--wait', 'bash', ...prepare(directory)], {
      encoding: 'utf8',
      input: options.stdin ?? '',
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        RECORD: recordFile,
        ANSWERS: answers,
        INTERRUPT_ON: options.interruptOn?.join(' ') ?? '',
        FAIL_ON: options.failOn?.join(' ') ?? '',
        FAIL_TIMES: String(options.failTimes ?? 1_000_000),
      },
    });
    const keys = readdirSync(answers).filter(name => name.startsWith('key-'));
    return {
      status,
      stdout,
      stderr,
      lines: parseRecord(readFileSync(recordFile, 'utf8')),
      keys: Object.fromEntries(
        keys.map(name => [name.slice('key-'.length), readFileSync(join(answers, name), 'utf8')]),
      ),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Words end with NUL, lines with a word that is a line feed. */
function parseRecord(text: string): string[][] {
  return text
    .split('\0\n\0')
    .slice(0, -1)
    .map(line => line.split('\0'));
}

/** Lines that change something: everything of gcloud but lists and what only reads. */
export function changes({ lines }: Deployment): string[][] {
  return lines.filter(line => line[0] === 'gcloud' && !line.some(word => READING.has(word)));
}

const READING = new Set(['list', 'describe', 'get-iam-policy']);

/** The lines that begin with these words, after `gcloud`. */
export function matching({ lines }: Deployment, words: string): string[][] {
  return lines.filter(line => line.join(' ').startsWith(`gcloud ${words}`));
}

/** What a flag of a line says; undefined when the line does not have it. */
export function flag(line: readonly string[] | undefined, name: string): string | undefined {
  const word = line?.find(each => each === name || each.startsWith(`${name}=`));
  return word?.slice(name.length + 1);
}

/** A copy of the script in which deploy/resources.sh is different. */
export function withOtherResources<T>(change: (text: string) => string, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'deploy-copy-'));
  try {
    for (const name of SCRIPT) {
      cpSync(join(ROOT, name), join(root, name), { recursive: true });
    }
    const changed = join(root, 'deploy/resources.sh');
    writeFileSync(changed, change(readFileSync(changed, 'utf8')));
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const FUNCTIONS = ['api', 'job', 'notify', 'tasks', 'sweep'];

/** Everything is there, as a first deployment left it. */
export const DEPLOYED: Answers = {
  'iam service-accounts list': [...FUNCTIONS, 'tasks-invoker', 'push-invoker', 'scheduler-invoker', 'builder'].map(
    name => `distributor-${name}@my-project.iam.gserviceaccount.com`,
  ),
  'firestore databases list': ['(default)\tFIRESTORE_NATIVE'],
  'firestore indexes composite list': [
    'attempts\tshard\twakeAt',
    'executions\tshard\twakeAt',
    'slots\tshard\twakeAt',
    'attempts\tline\tplace',
    'slots\tline\tplace',
  ],
  'firestore indexes fields list': [
    '__default__\t*',
    'quests\t*',
    'attempts\t*',
    'attempts\tstate',
    'attempts\tdistributor',
    'executions\t*',
    'edges\t*',
    'edges\tdependent',
    'edges\tdependency',
    'edges\topenFor',
    'slots\t*',
    'adapterDocuments\t*',
  ],
  'firestore fields ttls list': ['adapterDocuments\texpireAt'],
  'pubsub topics list': ['distributor-notifications', 'distributor-dead-letters'],
  'pubsub subscriptions list': [
    'distributor-notify\tprojects/my-project/topics/distributor-notifications',
    'distributor-dead-letters\tprojects/my-project/topics/distributor-dead-letters',
  ],
  'tasks queues list': ['distributor-0'],
  'secrets list': ['distributor-signing-key'],
  'secrets versions list distributor-signing-key': ['1\tENABLED'],
  'scheduler jobs list': ['distributor-sweep'],
  'run services list': FUNCTIONS.map(name => `distributor-${name}`),
};
