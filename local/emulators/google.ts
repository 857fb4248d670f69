import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { type Emulator, startProgram } from './process.ts';

export type { Emulator } from './process.ts';

export interface EmulatorOptions {
  /** A free one if absent. */
  port?: number;
}

interface Kind {
  name: string;
  /** Below the `platform` folder of a Google Cloud SDK. */
  folder: string;
  jar: RegExp;
  mainClass: string;
  /** As `gcloud components install` knows it. */
  component: string;
  maxHeap: string;
  ready: RegExp;
}

const FIRESTORE: Kind = {
  name: 'the Firestore emulator',
  folder: 'cloud-firestore-emulator',
  jar: /^cloud-firestore-emulator\.jar$/,
  mainClass: 'com.google.cloud.datastore.emulator.firestore.CloudFirestore',
  component: 'cloud-firestore-emulator',
  maxHeap: '512m',
  ready: /Dev App Server is now running/,
};

const PUBSUB: Kind = {
  name: 'the Pub/Sub emulator',
  folder: 'pubsub-emulator/lib',
  jar: /^cloud-pubsub-emulator-.*\.jar$/,
  mainClass: 'com.google.cloud.pubsub.testing.v1.Main',
  component: 'pubsub-emulator',
  maxHeap: '256m',
  ready: /Server started, listening on/,
};

/** What is missing on this machine, and how to install it; empty when both emulators can be started. */
export function findEmulators(): { missing: string[] } {
  const missing = [FIRESTORE, PUBSUB]
    .filter(kind => jarOf(kind) === undefined)
    .map(({ name, component }) => `${name} (gcloud components install ${component})`);
  if (java() === undefined) missing.push('a Java runtime (11 or newer, in PATH or JAVA_HOME)');
  return { missing };
}

export function startFirestoreEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  return start(FIRESTORE, options);
}

export function startPubSubEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  return start(PUBSUB, options);
}

/** The jar itself rather than `gcloud emulators`: that needs seconds of Python, and its Java outlives it. */
async function start(kind: Kind, { port }: EmulatorOptions): Promise<Emulator> {
  const jar = jarOf(kind);
  const command = java();
  if (jar === undefined || command === undefined)
    throw new Error(`${kind.name} cannot be started; missing: ${findEmulators().missing.join(', ')}`);
  const chosen = port ?? (await freePort());
  return startProgram({
    name: kind.name,
    command,
    args: [
      `-Xmx${kind.maxHeap}`,
      '-XX:+UseSerialGC',
      // As the SDK's own script does: its error messages exist in English only.
      '-Duser.language=en',
      '-cp',
      jar,
      kind.mainClass,
      '--host=127.0.0.1',
      `--port=${chosen}`,
    ],
    host: `127.0.0.1:${chosen}`,
    ready: kind.ready,
  });
}

function jarOf({ folder, jar }: Kind): string | undefined {
  for (const root of sdkRoots()) {
    const path = join(root, 'platform', folder);
    const name = existsSync(path) ? readdirSync(path).find(file => jar.test(file)) : undefined;
    if (name !== undefined) return join(path, name);
  }
  return undefined;
}

/** `gcloud` in PATH is mostly a link to `bin/gcloud` of an SDK. */
function sdkRoots(): string[] {
  const { CLOUDSDK_ROOT_DIR } = process.env;
  const found = inPath('gcloud').map(gcloud => dirname(dirname(realpathSync(gcloud))));
  return CLOUDSDK_ROOT_DIR === undefined ? found : [CLOUDSDK_ROOT_DIR, ...found];
}

function java(): string | undefined {
  const { JAVA_HOME } = process.env;
  const candidates = JAVA_HOME === undefined ? [] : [join(JAVA_HOME, 'bin/java')];
  return [...candidates, ...inPath('java')].find(path => existsSync(path));
}

function inPath(command: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map(folder => join(folder, command)).filter(path => existsSync(path));
}

/** The emulators do not tell which port they chose themselves. */
function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer()
    .on('error', reject)
    .listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  return promise;
}
