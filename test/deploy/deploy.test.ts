import { describe, expect, test } from 'vitest';
import { readSettings } from '../../functions/settings.ts';
import { FUNCTION_NAMES } from '../../functions/wiring.ts';
import { COLLECTIONS } from '../../shared/google/documents.ts';
import { changes, DEPLOYED, flag, matching, PROJECT_NUMBER, runDeploy, runScript, SETTINGS } from './rig.ts';

const urlOf = (name: string) => `https://distributor-${name}-${PROJECT_NUMBER}.us-central1.run.app`;
const FIRST = runDeploy([]);

const accountOf = (name: string) => `distributor-${name}@my-project.iam.gserviceaccount.com`;

describe('a first deployment', () => {
  const configured = runDeploy([], {
    settings: {
      ...SETTINGS,
      SECRETS: 'API_TOKEN=theirs:3',
      RETENTION_DAYS: '30',
      EXECUTOR_ROLES: 'roles/run.developer',
      API_CALLERS: 'user:a@b.c',
    },
  });

  test('deploys each function with the resources, the callers and the secrets that it needs and no more', () => {
    expect(configured.stderr).toBe('');
    expect(configured.status).toBe(0);
    const deployed = matching(configured, 'run deploy').map(line => ({
      name: line[3],
      source: flag(line, '--source'),
      target: flag(line, '--function'),
      base: flag(line, '--base-image'),
      build: flag(line, '--set-build-env-vars'),
      account: flag(line, '--service-account'),
      memory: flag(line, '--memory'),
      cpu: flag(line, '--cpu'),
      concurrency: flag(line, '--concurrency'),
      timeout: flag(line, '--timeout'),
      instances: `${flag(line, '--min-instances')}-${flag(line, '--max-instances')}`,
      ingress: flag(line, '--ingress'),
      checked: line.includes('--invoker-iam-check') && !line.includes('--no-invoker-iam-check'),
      secrets: flag(line, '--set-secrets') ?? line.find(word => word === '--clear-secrets'),
    }));
    const shared = {
      base: 'nodejs24',
      build: 'GOOGLE_NODE_RUN_SCRIPTS=',
      memory: '512Mi',
      cpu: '1',
      concurrency: '80',
      instances: '0-20',
      checked: true,
    };
    const named = (name: string) => ({
      name: `distributor-${name}`,
      source: `dist/${name}`,
      target: name,
      account: accountOf(name),
    });
    const key = 'SIGNING_KEY_1=distributor-signing-key:1';
    expect(deployed).toEqual([
      { ...shared, ...named('job'), timeout: '300', ingress: 'all', checked: false, secrets: key },
      { ...shared, ...named('notify'), timeout: '60', ingress: 'internal', secrets: `${key},API_TOKEN=theirs:3` },
      { ...shared, ...named('tasks'), timeout: '600', ingress: 'internal', secrets: `${key},API_TOKEN=theirs:3` },
      { ...shared, ...named('api'), timeout: '330', ingress: 'all', secrets: '--clear-secrets' },
      {
        ...shared,
        ...named('sweep'),
        timeout: '60',
        instances: '0-1',
        ingress: 'internal',
        secrets: '--clear-secrets',
      },
    ]);
  });

  test('gives each function the variables that it reads', () => {
    const shared = {
      NODE_ENV: 'production',
      GOOGLE_CLOUD_PROJECT: 'my-project',
      DATABASE: '(default)',
      LOCATION: 'us-central1',
      QUEUES: '1',
      QUEUE_PREFIX: 'distributor',
      TASKS_URL: urlOf('tasks'),
      TASKS_CALLER: accountOf('tasks-invoker'),
      LOG_LEVEL: 'warn',
    };
    const writing = { ...shared, RETENTION_DAYS: '30' };
    const TOPIC = 'distributor-notifications';
    const variables = matching(configured, 'run deploy').map(line => [
      flag(line, '--function'),
      Object.fromEntries((flag(line, '--set-env-vars') ?? '').split(',').map(pair => pair.split('='))),
    ]);
    expect(Object.fromEntries(variables)).toEqual({
      api: writing,
      job: { ...writing, TOPIC },
      notify: writing,
      tasks: { ...writing, TOPIC, JOB_URL: urlOf('job') },
      sweep: shared,
    });
  });

  test.each(FUNCTION_NAMES)('gives %s all that it needs to start', name => {
    const line = matching(configured, `run deploy distributor-${name}`)[0];
    const pairs = [flag(line, '--set-env-vars'), flag(line, '--set-secrets')].flatMap(list => list?.split(',') ?? []);
    const environment = Object.fromEntries(pairs.map(pair => pair.split('='))) as Record<string, string>;
    const mounted = { 'distributor-signing-key:1': configured.keys['1'], 'theirs:3': 'a token' };
    for (const [variable, value] of Object.entries(environment)) {
      if (value in mounted) environment[variable] = mounted[value as keyof typeof mounted] ?? '';
    }
    const settings = readSettings(name, environment, ['API_TOKEN']);
    expect(settings).toMatchObject({ projectId: 'my-project', queues: ['distributor-0'], tasksUrl: urlOf('tasks') });
    expect(settings.local).toBe(false);
  });

  test('gives each account the least that it can do with', () => {
    const grants = configured.lines
      .filter(line => line.includes('add-iam-policy-binding'))
      .map(line => {
        const target = line
          .slice(
            1,
            line.findIndex(word => word.startsWith('--')),
          )
          .join(' ');
        const who = flag(line, '--member')
          ?.replace(/@my-project.*|^user:/g, '')
          .replace('serviceAccount:', '');
        return `${who}: ${flag(line, '--role')} on ${target.replace(' add-iam-policy-binding', '')}`;
      });
    const everyFunction = ['api', 'job', 'notify', 'tasks', 'sweep'];
    const agent = `service-${PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com`;
    expect(grants.toSorted()).toEqual(
      [
        ...['api', 'job', 'notify', 'tasks'].map(
          name => `distributor-${name}: roles/datastore.user on projects my-project`,
        ),
        'distributor-sweep: roles/datastore.viewer on projects my-project',
        ...everyFunction.map(
          name =>
            `distributor-${name}: roles/iam.serviceAccountUser on iam service-accounts ${accountOf('tasks-invoker')}`,
        ),
        ...everyFunction.map(name => `distributor-${name}: roles/cloudtasks.enqueuer on tasks queues distributor-0`),
        ...['job', 'tasks'].map(
          name => `distributor-${name}: roles/pubsub.publisher on pubsub topics distributor-notifications`,
        ),
        ...['job', 'notify', 'tasks'].map(
          name => `distributor-${name}: roles/secretmanager.secretAccessor on secrets distributor-signing-key`,
        ),
        ...['notify', 'tasks'].map(name => `distributor-${name}: roles/secretmanager.secretAccessor on secrets theirs`),
        ...['notify', 'tasks'].map(name => `distributor-${name}: roles/run.developer on projects my-project`),
        'distributor-builder: roles/run.builder on projects my-project',
        'distributor-push-invoker: roles/run.invoker on run services distributor-notify',
        'distributor-tasks-invoker: roles/run.invoker on run services distributor-tasks',
        'distributor-scheduler-invoker: roles/run.invoker on run services distributor-sweep',
        'a@b.c: roles/run.invoker on run services distributor-api',
        `${agent}: roles/pubsub.publisher on pubsub topics distributor-dead-letters`,
        `${agent}: roles/pubsub.subscriber on pubsub subscriptions distributor-notify`,
      ].toSorted(),
    );
    const [database] = matching(configured, 'projects add-iam-policy-binding');
    expect(flag(database, '--condition')).toContain('resource.name=="projects/my-project/databases/(default)"');
  });

  test('builds before it changes anything, and creates the sweep last', () => {
    expect(FIRST.lines[0]).toEqual(['npm', 'run', 'build']);
    expect(FIRST.lines.at(-1)?.slice(0, 6)).toEqual([
      'gcloud',
      'scheduler',
      'jobs',
      'create',
      'http',
      'distributor-sweep',
    ]);
  });

  test('ends with the addresses and a first call', () => {
    const { stdout } = FIRST;
    expect(stdout).toContain(`curl -s -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${urlOf('api')}/`);
    for (const name of ['api', 'job', 'notify', 'tasks', 'sweep']) expect(stdout).toContain(urlOf(name));
  });

  test('makes one queue for each of QUEUES, which together dispatch as much as the instances take', () => {
    const queues = matching(runDeploy([], { settings: { ...SETTINGS, QUEUES: '4' } }), 'tasks queues create');
    expect(queues.map(line => line[4])).toEqual(['distributor-0', 'distributor-1', 'distributor-2', 'distributor-3']);
    expect(queues.map(line => flag(line, '--max-concurrent-dispatches'))).toEqual(['400', '400', '400', '400']);
  });

  test('indexes what queries look for alone, and no other field of any collection', () => {
    const updates = matching(FIRST, 'firestore indexes fields update').map(line => {
      const [field, collection] = [line[5], flag(line, '--collection-group')];
      const index = line.includes('--disable-indexes') ? 'off' : flag(line, '--index');
      expect(flag(line, '--database')).toBe('(default)');
      return `${collection}.${field}: ${index}`;
    });
    expect(updates).toEqual([
      ...['attempts.state', 'attempts.distributor'].map(field => `${field}: order=ascending`),
      ...['edges.dependent', 'edges.dependency', 'edges.openFor'].map(field => `${field}: order=ascending`),
      ...Object.values(COLLECTIONS).map(collection => `${collection}.*: off`),
      'adapterDocuments.*: off',
    ]);
  });

  test('refuses a database in Datastore mode', () => {
    const { status, stderr } = runDeploy([], { exists: { 'firestore databases list': ['(default)\tDATASTORE_MODE'] } });
    expect(status).toBe(1);
    expect(stderr).toContain('the database (default) is in Datastore mode');
  });
});

describe('a second deployment', () => {
  const second = runDeploy([], { exists: DEPLOYED });

  test('creates nothing, makes no key and starts no change of indexes', () => {
    expect(second.status).toBe(0);
    expect(second.lines.filter(line => line.includes('create'))).toEqual([]);
    expect(matching(second, 'firestore').filter(line => !line.includes('list'))).toEqual([]);
    expect(matching(second, 'secrets versions add')).toEqual([]);
  });

  test('updates what has settings', () => {
    const updates = changes(second).filter(line => line.includes('update'));
    expect(updates.map(line => line.slice(1, 4).join(' '))).toEqual([
      'tasks queues update',
      'pubsub subscriptions update',
      'scheduler jobs update',
    ]);
  });

  test('goes on where a first one stopped: a secret without a version gets its key', () => {
    const run = runDeploy([], { exists: { 'secrets list': ['distributor-signing-key'] } });
    expect(matching(run, 'secrets create')).toEqual([]);
    expect(matching(run, 'secrets versions add')).toHaveLength(1);
  });

  test('is not misled by what others have in the same project', () => {
    const others = {
      'pubsub topics list': ['distributor-notifications-2'],
      'firestore indexes fields list': ['attempts\t*'],
    };
    const run = runDeploy([], { exists: { ...DEPLOYED, ...others } });
    expect(matching(run, 'pubsub topics create').map(line => line[4])).toEqual([
      'distributor-notifications',
      'distributor-dead-letters',
    ]);
    expect(matching(run, 'firestore indexes fields update').map(line => line[5])).toEqual([
      'state',
      'distributor',
      'dependent',
      'dependency',
      'openFor',
      '*',
      '*',
      '*',
      '*',
      '*',
    ]);
  });
});

describe('a dry run', () => {
  const everySetting = { ...SETTINGS, SECRETS: 'A=theirs:1', RETENTION_DAYS: '12', QUEUES: '2', DATABASE: 'runs' };

  test('runs nothing', () => {
    const run = runDeploy(['--dry-run'], { settings: everySetting });
    expect(run.status).toBe(0);
    expect(run.lines).toEqual([]);
  });

  test('prints lines that, run as they are, do exactly what a first deployment does', () => {
    const { stdout } = runDeploy(['--dry-run'], { settings: everySetting });
    const replayed = runScript(stdout.replaceAll('PROJECT_NUMBER', PROJECT_NUMBER));
    expect(replayed.lines).toEqual(runDeploy([], { settings: everySetting }).lines);
  });
});

describe('documents that are over', () => {
  const ttls = (settings: Record<string, string>, exists: typeof DEPLOYED) =>
    matching(runDeploy([], { settings, exists }), 'firestore fields ttls update').map(line => [
      flag(line, '--collection-group'),
      line.find(word => word.endsWith('able-ttl')),
    ]);
  const retaining = { ...SETTINGS, RETENTION_DAYS: '30' };
  const ours = ['attempts', 'executions', 'edges'];
  const all = ['adapterDocuments', ...ours];
  const on = { ...DEPLOYED, 'firestore fields ttls list': all.map(name => `${name}\texpireAt`) };

  test('are kept unless RETENTION_DAYS is set; those of adapters always expire', () => {
    expect(ttls(SETTINGS, {})).toEqual([['adapterDocuments', '--enable-ttl']]);
    expect(ttls(retaining, {})).toEqual(all.map(name => [name, '--enable-ttl']));
  });

  test('are deleted from when RETENTION_DAYS is set until it is taken away', () => {
    expect(ttls(retaining, DEPLOYED)).toEqual(ours.map(name => [name, '--enable-ttl']));
    expect(ttls(retaining, on)).toEqual([]);
    expect(ttls(SETTINGS, on)).toEqual(ours.map(name => [name, '--disable-ttl']));
  });
});
