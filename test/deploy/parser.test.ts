import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  DEPLOYED,
  type Deployment,
  ROOT,
  runDeploy,
  type RunOptions,
  runScript,
  SETTINGS,
  withOtherResources,
} from './rig.ts';
import { hasSdk, needsSdk, parserErrors, printed } from './sdk.ts';

const EVERY_SETTING = {
  ...SETTINGS,
  DATABASE: 'runs',
  QUEUES: '2',
  RETENTION_DAYS: '30',
  SECRETS: 'A=theirs:1,B=theirs:2',
  EXECUTOR_ROLES: 'roles/run.developer,projects/my-project/roles/own',
  API_CALLERS: 'user:a@b.c,group:g@b.c',
};
const member = 'serviceAccount:distributor-tasks@my-project.iam.gserviceaccount.com';
const TO_DESTROY = {
  ...DEPLOYED,
  'secrets list': ['distributor-signing-key', 'theirs'],
  'secrets get-iam-policy theirs': [`${member}\troles/secretmanager.secretAccessor`],
  'projects get-iam-policy my-project': [`${member}\troles/datastore.user`],
};
const TTLS_ON = {
  ...DEPLOYED,
  'firestore fields ttls list': ['attempts', 'executions', 'edges'].map(name => `${name}\texpireAt`),
};
const TWO_KEYS = { ...DEPLOYED, 'secrets versions list distributor-signing-key': ['1\tENABLED', '2\tENABLED'] };

const OWN_TOPICS = { build: 'cloud-builds', batch: 'projects/their-project/topics/batch-jobs' };
const OTHER_TOPICS = {
  ...DEPLOYED,
  'pubsub subscriptions list': [
    ...DEPLOYED['pubsub subscriptions list']!,
    'distributor-notify.build\tprojects/my-project/topics/cloud-builds',
    'distributor-notify.batch\t_deleted-topic_',
    'distributor-notify.gone\tprojects/my-project/topics/gone',
  ],
};

const SCENARIOS: [string, string[], RunOptions][] = [
  ['a first deployment', [], {}],
  ['a first deployment with every setting', [], { settings: EVERY_SETTING }],
  ['a second deployment', [], { exists: DEPLOYED }],
  ['a first deployment with topics of executors', [], { topics: OWN_TOPICS }],
  ['a deployment after topics of executors have changed', [], { topics: OWN_TOPICS, exists: OTHER_TOPICS }],
  ['turning retention off', [], { exists: TTLS_ON }],
  ['rotating the key', ['--rotate-key'], { exists: DEPLOYED }],
  ['retiring a key', ['--retire-key', '1'], { exists: TWO_KEYS }],
  [
    'destroying',
    ['--destroy', '--delete-data', '--yes'],
    { exists: TO_DESTROY, settings: { ...SETTINGS, SECRETS: 'A=theirs:1' } },
  ],
];

/** [what is wrong, the right text, the wrong text, what the parser says] */
const MISTAKES: [string, string, string, string][] = [
  ['a wrong flag', '--ack-deadline=60', '--ack-deadlines=60', 'unrecognized arguments: --ack-deadlines=60'],
  [
    'a flag of another command',
    '--min-backoff=1s',
    '--min-retry-delay=1s',
    'unrecognized arguments: --min-retry-delay',
  ],
  ['a value that is no choice', '--type=firestore-native', '--type=firestore', 'Invalid choice'],
  ['a missing flag', '"--uri=$(url sweep)/"', '', 'Must be specified'],
  ['a wrong command', 'pubsub topics list', 'pubsub topic list', 'Invalid choice'],
];

function runWithMistake(right: string, wrong: string): Deployment {
  const change = (text: string) => {
    expect(text).toContain(right);
    return text.replace(right, wrong);
  };
  return withOtherResources(change, root => runDeploy([], { root }));
}

/** What begins a line of docs/ with gcloud, up to the end of the command: quotes and backslashes may take it further. */
const DOCUMENTED = /^gcloud (?:[^'"\\\n]|'[^']*'|"[^"]*"|\\[^])*$/gm;

/** As a reader would paste them. */
function documentedCommands(): string {
  const files = readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md'));
  const text = files.map(name => readFileSync(join(ROOT, 'docs', name), 'utf8')).join('\n');
  return (text.match(DOCUMENTED) ?? []).join('\n');
}

describe('the real gcloud', () => {
  /** What its parser says against each line, by the line; nothing where it accepts it. */
  const complaints = new Map<string, string | null>();
  const runs = new Map<string, Deployment>();

  // The SDK takes a second to load: it is asked about all lines at once.
  beforeAll(() => {
    if (!hasSdk()) return;
    for (const [name, args, options] of SCENARIOS) runs.set(name, runDeploy(args, options));
    for (const [name, right, wrong] of MISTAKES) runs.set(name, runWithMistake(right, wrong));
    runs.set('the documentation', runScript(documentedCommands()));
    const lines = [...runs.values()].flatMap(run => run.lines).filter(([tool]) => tool === 'gcloud');
    const distinct = [...new Map(lines.map(line => [line.join(' '), line.slice(1)]))];
    const errors = parserErrors(distinct.map(([, line]) => line));
    for (const [i, [text]] of distinct.entries()) complaints.set(text, errors[i] ?? null);
  }, 300_000);
  beforeEach(needsSdk);

  function complaintsAbout(name: string): string[] {
    const lines = runs.get(name)!.lines.filter(([tool]) => tool === 'gcloud');
    expect(lines.length).toBeGreaterThan(5);
    return lines.flatMap(line => complaints.get(line.join(' ')) ?? []);
  }

  test.each(SCENARIOS)('accepts every line of %s', name => {
    expect(runs.get(name)?.status).toBe(0);
    expect(complaintsAbout(name)).toEqual([]);
  });

  test('accepts every command of the documentation', () => {
    expect(complaintsAbout('the documentation')).toEqual([]);
  });

  test.each(MISTAKES)('refuses a script with %s, and only for that', (name, _right, _wrong, message) => {
    expect(complaintsAbout(name)).toEqual([expect.stringContaining(message)]);
  });

  test('prints what Google answers to the lists as the script reads it', () => {
    // Resources as the API references show them, shortened.
    const answers: Record<string, object[]> = {
      'projects describe': [{ projectId: 'my-project', projectNumber: '123456789012' }],
      'iam service-accounts list': [{ name: 'projects/p/serviceAccounts/a@p', email: 'a@p.iam.gserviceaccount.com' }],
      'firestore databases list': [{ name: 'projects/p/databases/(default)', type: 'FIRESTORE_NATIVE' }],
      'firestore indexes composite list': [
        {
          name: 'projects/p/databases/(default)/collectionGroups/attempts/indexes/CICA',
          queryScope: 'COLLECTION',
          fields: [
            { fieldPath: 'shard', order: 'ASCENDING' },
            { fieldPath: 'wakeAt', order: 'ASCENDING' },
            { fieldPath: '__name__', order: 'ASCENDING' },
          ],
        },
      ],
      'firestore indexes fields list': [
        { name: 'projects/p/databases/(default)/collectionGroups/attempts/fields/*', indexConfig: {} },
      ],
      'firestore fields ttls list': [
        {
          name: 'projects/p/databases/(default)/collectionGroups/attempts/fields/expireAt',
          ttlConfig: { state: 'ACTIVE' },
        },
      ],
      'pubsub topics list': [{ name: 'projects/p/topics/t' }],
      'pubsub subscriptions list': [{ name: 'projects/p/subscriptions/s', topic: 'projects/p/topics/t' }],
      'tasks queues list': [{ name: 'projects/p/locations/us-central1/queues/q-0', state: 'RUNNING' }],
      'scheduler jobs list': [{ name: 'projects/p/locations/us-central1/jobs/j' }],
      'secrets list': [{ name: 'projects/1/secrets/s' }],
      'secrets versions list': [
        { name: 'projects/1/secrets/s/versions/2', state: 'ENABLED' },
        { name: 'projects/1/secrets/s/versions/1', state: 'DISABLED' },
      ],
      'run services list': [{ metadata: { name: 'distributor-api', namespace: '1' } }],
    };
    runs.set('the documentation', runScript(documentedCommands()));
    const lines = [...runs.values()].flatMap(run => run.lines);
    const formatOf = (command: string) =>
      lines
        .find(line => line.slice(1).join(' ').startsWith(command))
        ?.find(word => word.startsWith('--format='))
        ?.slice('--format='.length) ?? 'none';
    const read = printed(Object.entries(answers).map(([name, resources]) => ({ format: formatOf(name), resources })));
    expect(Object.fromEntries(Object.keys(answers).map((name, i) => [name, read[i]]))).toEqual({
      'projects describe': '123456789012\n',
      'iam service-accounts list': 'a@p.iam.gserviceaccount.com\n',
      'firestore databases list': '(default)\tFIRESTORE_NATIVE\n',
      'firestore indexes composite list': 'attempts\tshard\twakeAt\n',
      'firestore indexes fields list': 'attempts\t*\n',
      'firestore fields ttls list': 'attempts\texpireAt\n',
      'pubsub topics list': 't\n',
      'pubsub subscriptions list': 's\tprojects/p/topics/t\n',
      'tasks queues list': 'q-0\n',
      'scheduler jobs list': 'j\n',
      'secrets list': 's\n',
      'secrets versions list': '2\tENABLED\n1\tDISABLED\n',
      'run services list': 'distributor-api\n',
    });
  });
});
