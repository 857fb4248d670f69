import { describe, expect, test } from 'vitest';
import { changes, DEPLOYED, flag, matching, PROJECT_NUMBER, runDeploy, runScript, SETTINGS } from './rig.ts';

const NOTIFY = `https://distributor-notify-${PROJECT_NUMBER}.us-central1.run.app`;
const TOPICS = {
  build: 'cloud-builds',
  'build.eu': 'projects/my-project/topics/cloud-builds',
  batch: 'projects/their-project/topics/batch-jobs',
};
const subscribed = (topics: Record<string, string>) => ({
  ...DEPLOYED,
  'pubsub subscriptions list': [
    ...DEPLOYED['pubsub subscriptions list']!,
    ...Object.entries(topics).map(([name, topic]) => `distributor-notify.${name}\t${topic}`),
  ],
});
const BUILDS = 'projects/my-project/topics/cloud-builds';

type Run = ReturnType<typeof runDeploy>;
const subscriptions = (run: Run, verb: string) => matching(run, `pubsub subscriptions ${verb}`);
const names = (lines: readonly string[][]) => lines.map(line => line[4]);

describe('topics to which executors publish', () => {
  const first = runDeploy([], { topics: TOPICS });

  test('are pushed to notify under the name of each distributor, like the notification topic', () => {
    expect(first.stderr).toBe('');
    const [, notifications, ...own] = subscriptions(first, 'create');
    expect(own.map(line => [line[4], flag(line, '--topic'), flag(line, '--push-endpoint')])).toEqual([
      ['distributor-notify.build', BUILDS, `${NOTIFY}/distributors/build`],
      ['distributor-notify.build.eu', BUILDS, `${NOTIFY}/distributors/build.eu`],
      ['distributor-notify.batch', TOPICS.batch, `${NOTIFY}/distributors/batch`],
    ]);
    const settings = (line: readonly string[]) =>
      line.filter(word => word.startsWith('--') && !/^--(topic|push-endpoint)=/.test(word));
    for (const line of own) expect(settings(line)).toEqual(settings(notifications!));
    expect(settings(notifications!)).toEqual(
      expect.arrayContaining([
        '--push-auth-service-account=distributor-push-invoker@my-project.iam.gserviceaccount.com',
        `--push-auth-token-audience=${NOTIFY}`,
        '--dead-letter-topic=distributor-dead-letters',
      ]),
    );
  });

  test('may have their dead letters moved by Pub/Sub', () => {
    const granted = subscriptions(first, 'add-iam-policy-binding');
    expect(names(granted)).toEqual([
      'distributor-notify',
      ...Object.keys(TOPICS).map(name => `distributor-notify.${name}`),
    ]);
    expect(new Set(granted.map(line => flag(line, '--role')))).toEqual(new Set(['roles/pubsub.subscriber']));
  });

  test('are created in this project where they are missing, each once, and in no other', () => {
    const created = (exists: typeof DEPLOYED) =>
      names(matching(runDeploy([], { topics: TOPICS, exists }), 'pubsub topics create'));
    expect(names(matching(first, 'pubsub topics create'))).toEqual([
      'distributor-notifications',
      'distributor-dead-letters',
      'cloud-builds',
    ]);
    const topics = [...DEPLOYED['pubsub topics list']!, 'cloud-builds'];
    expect(created({ ...DEPLOYED, 'pubsub topics list': topics })).toEqual([]);
  });

  test('of another project have to be shared by their owner, whom the failure tells how', () => {
    const [failing] = subscriptions(first, 'create distributor-notify.batch');
    const run = runDeploy([], { topics: TOPICS, failOn: failing! });
    expect(run.status).toBe(1);
    expect(run.stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^deploy\.sh: FAILED: "Subscriptions" stopped at: .*; the owner of projects\/their-project\/topics\/batch-jobs has to create it and to grant you roles\/pubsub\.subscriber on it; then run deploy\.sh again$/,
    );
  });

  test.each(['distributor-notifications', 'projects/my-project/topics/distributor-dead-letters'])(
    'are not ours: %s is refused before anything happens',
    topic => {
      const run = runDeploy([], { topics: { build: topic } });
      expect(run.status).toBe(1);
      expect(run.stderr).toMatch(/FAILED: distributors\.yaml: build\.config\.topic: .* is the distributor's own/);
      expect(run.lines).toEqual([]);
    },
  );

  test('are known to a dry run, whose lines do exactly what a first deployment does', () => {
    const dry = runDeploy(['--dry-run'], { topics: TOPICS });
    expect(dry.lines).toEqual([]);
    expect(runScript(dry.stdout.replaceAll('PROJECT_NUMBER', PROJECT_NUMBER)).lines).toEqual(first.lines);
  });
});

describe('subscriptions to them', () => {
  test('are updated while nothing changes', () => {
    const exists = subscribed({ build: BUILDS, 'build.eu': BUILDS, batch: TOPICS.batch });
    const run = runDeploy([], { topics: TOPICS, exists });
    expect(subscriptions(run, 'create')).toEqual([]);
    expect(subscriptions(run, 'delete')).toEqual([]);
    expect(names(subscriptions(run, 'update'))).toHaveLength(4);
    for (const line of subscriptions(run, 'update')) expect(flag(line, '--topic')).toBeUndefined();
  });

  test('are made anew when the topic is another one, or was deleted', () => {
    const run = runDeploy([], {
      topics: { a: 'new', b: 'b' },
      exists: subscribed({ a: BUILDS, b: '_deleted-topic_' }),
    });
    for (const verb of ['delete', 'create'])
      expect(names(subscriptions(run, verb))).toEqual(['distributor-notify.a', 'distributor-notify.b']);
  });

  test('of distributors that are gone, or have no topic any more, are deleted, and nobody else’s', () => {
    const exists = {
      ...DEPLOYED,
      'pubsub subscriptions list': [
        ...subscribed({ gone: BUILDS, build: BUILDS })['pubsub subscriptions list'],
        `distributor-notify-other\t${BUILDS}`,
        `my-distributor-notify.x\t${BUILDS}`,
        `distributor-notifyx\t${BUILDS}`,
      ],
    };
    const run = runDeploy([], { topics: { build: 'cloud-builds' }, exists });
    expect(names(subscriptions(run, 'delete'))).toEqual(['distributor-notify.gone']);
  });

  test('of the notification topic, too, are made anew when it was deleted', () => {
    const exists = { ...DEPLOYED, 'pubsub subscriptions list': ['distributor-notify\t_deleted-topic_'] };
    const run = runDeploy([], { exists });
    expect(names(subscriptions(run, 'delete'))).toEqual(['distributor-notify']);
    expect(names(subscriptions(run, 'create'))).toContain('distributor-notify');
  });

  test('are removed with everything else; the topics stay', () => {
    const exists = {
      ...subscribed({ build: BUILDS, gone: BUILDS }),
      'pubsub topics list': [...DEPLOYED['pubsub topics list']!, 'cloud-builds'],
    };
    const run = runDeploy(['--destroy', '--yes'], { exists });
    expect(names(subscriptions(run, 'delete'))).toEqual([
      'distributor-notify',
      'distributor-dead-letters',
      'distributor-notify.build',
      'distributor-notify.gone',
    ]);
    expect(names(matching(run, 'pubsub topics delete'))).toEqual([
      'distributor-notifications',
      'distributor-dead-letters',
    ]);
    expect(changes(run).filter(line => line.join(' ').includes('cloud-builds'))).toEqual([]);
  });
});

test('a distributors file that cannot be read stops everything before it has begun', () => {
  // The fake knows only the default file.
  const run = runDeploy([], { settings: { ...SETTINGS, DISTRIBUTORS: 'deploy/names.sh' } });
  expect(run.status).toBe(1);
  expect(run.stderr).toContain('FAILED: the distributors of deploy/names.sh cannot be read; was npm ci run?');
  expect(run.lines).toEqual([]);
});
