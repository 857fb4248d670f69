import { describe, expect, test } from 'vitest';
import { changes, DEPLOYED, flag, matching, runDeploy, SETTINGS } from './rig.ts';

const POLICY = 'projects get-iam-policy my-project';
const WITH_ROLES = {
  ...DEPLOYED,
  [POLICY]: [
    'serviceAccount:distributor-api@my-project.iam.gserviceaccount.com\troles/datastore.user',
    'serviceAccount:distributor-tasks@my-project.iam.gserviceaccount.com\troles/run.developer',
    'serviceAccount:other@my-project.iam.gserviceaccount.com\troles/owner',
    'user:me@example.com\troles/owner',
  ],
};

const kinds = (run: ReturnType<typeof runDeploy>) => changes(run).map(line => line.slice(1, 4).join(' '));

describe('destroy', () => {
  test.each([
    ['an empty answer', ''],
    ['another name', 'my-projekt\n'],
    ['yes', 'yes\n'],
  ])('removes nothing upon %s', (_, stdin) => {
    const run = runDeploy(['--destroy'], { exists: WITH_ROLES, stdin });
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('not confirmed; nothing was removed');
    expect(run.lines).toEqual([]);
  });

  test('removes everything but the database once the project was named, callers first', () => {
    const run = runDeploy(['--destroy'], { exists: WITH_ROLES, stdin: 'my-project\n' });
    expect(run.status).toBe(0);
    expect([...new Set(kinds(run))]).toEqual([
      'scheduler jobs delete',
      'pubsub subscriptions delete',
      'run services delete',
      'tasks queues delete',
      'pubsub topics delete',
      'secrets delete distributor-signing-key',
      'projects remove-iam-policy-binding my-project',
      'iam service-accounts delete',
    ]);
    expect(matching(run, 'run services delete')).toHaveLength(5);
    expect(matching(run, 'iam service-accounts delete')).toHaveLength(9);
    expect(run.stdout).toContain('The database (default) stays');
  });

  test('takes from the project the roles of its own accounts only', () => {
    const run = runDeploy(['--destroy', '--yes'], { exists: WITH_ROLES });
    const removed = matching(run, 'projects remove-iam-policy-binding');
    expect(removed.map(line => [flag(line, '--member'), flag(line, '--role')])).toEqual([
      ['serviceAccount:distributor-api@my-project.iam.gserviceaccount.com', 'roles/datastore.user'],
      ['serviceAccount:distributor-tasks@my-project.iam.gserviceaccount.com', 'roles/run.developer'],
    ]);
  });

  test('removes the queues of a time when there were more, and nobody else’s', () => {
    const exists = { 'tasks queues list': ['distributor-0', 'distributor-7', 'distributor-x', 'my-distributor-0'] };
    const run = runDeploy(['--destroy', '--yes'], { exists });
    expect(matching(run, 'tasks queues delete').map(line => line[4])).toEqual(['distributor-0', 'distributor-7']);
  });

  test('leaves the secrets of distributors, but not its access to them', () => {
    const member = 'serviceAccount:distributor-tasks@my-project.iam.gserviceaccount.com';
    const exists = {
      'secrets list': ['theirs'],
      'secrets get-iam-policy theirs': [`${member}\troles/secretmanager.secretAccessor`],
    };
    const run = runDeploy(['--destroy', '--yes'], {
      exists,
      settings: { ...SETTINGS, SECRETS: 'A=theirs:1,B=gone:1' },
    });
    expect(kinds(run)).toEqual(['secrets remove-iam-policy-binding theirs']);
  });

  test('removes the database only with --delete-data, and says so before', () => {
    const run = runDeploy(['--destroy', '--delete-data'], {
      exists: { 'firestore databases list': ['(default)'] },
      stdin: 'my-project\n',
    });
    expect(run.stdout).toContain('AND ALL DATA in the database (default)');
    expect(kinds(run)).toEqual(['firestore databases delete']);
  });

  test('has nothing to do the second time', () => {
    const run = runDeploy(['--destroy', '--yes', '--delete-data']);
    expect(run.status).toBe(0);
    expect(changes(run)).toEqual([]);
  });

  test('--dry-run shows all that it may remove, without asking, and runs nothing', () => {
    const run = runDeploy(['--destroy', '--delete-data', '--dry-run']);
    expect(run.status).toBe(0);
    expect(run.lines).toEqual([]);
    expect(run.stdout.match(/^gcloud .* delete /gm)).toHaveLength(1 + 2 + 5 + 1 + 2 + 1 + 9 + 1);
  });
});
