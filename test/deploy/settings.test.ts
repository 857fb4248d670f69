import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { flag, matching, ROOT, runDeploy, SETTINGS, textOf } from './rig.ts';

const GOOD = textOf(SETTINGS);

test.each([
  ['', 'PROJECT_ID is missing'],
  ['PROJECT_ID=my-project\n', 'REGION is missing'],
  ['PROJECT_ID=\nREGION=us-central1\n', 'PROJECT_ID is missing'],
  [`${GOOD}REGOIN=us-east1\n`, 'unknown setting REGOIN'],
  [`${GOOD}REGION=us-east1\n`, 'test.env:3: REGION is set twice'],
  [`${GOOD}QUEUES 4\n`, 'test.env:3: not of the form NAME=value'],
  [`${GOOD} QUEUES=4\n`, 'not of the form NAME=value'],
  [`${GOOD}export QUEUES=4\n`, 'not of the form NAME=value'],
  ['PROJECT_ID="my-project"\nREGION=us-central1\n', 'test.env:1: PROJECT_ID must be'],
  ['PROJECT_ID=my project\nREGION=us-central1\n', 'PROJECT_ID must be'],
  ['PROJECT_ID=my-project\nREGION=us\n', 'REGION must be'],
  [`${GOOD}PREFIX=much-too-long-a-name\n`, 'PREFIX must be'],
  [`${GOOD}PREFIX=Dist\n`, 'PREFIX must be'],
  [`${GOOD}DATABASE=default\nDATABASE_LOCATION=nam5; rm -rf x\n`, 'DATABASE_LOCATION must be'],
  [`${GOOD}DATABASE=x\n`, 'DATABASE must be'],
  [`${GOOD}QUEUES=0\n`, 'QUEUES must be'],
  [`${GOOD}QUEUES=17\n`, 'QUEUES must be'],
  [`${GOOD}RETENTION_DAYS=11\n`, 'RETENTION_DAYS must be'],
  [`${GOOD}RETENTION_DAYS=-1\n`, 'RETENTION_DAYS must be'],
  [`${GOOD}RETENTION_DAYS=1.5\n`, 'RETENTION_DAYS must be'],
  [`${GOOD}MAX_INSTANCES=1001\n`, 'MAX_INSTANCES must be'],
  [`${GOOD}LOG_LEVEL=debug\n`, 'LOG_LEVEL must be'],
  [`${GOOD}DISTRIBUTORS=nowhere.yaml\n`, 'DISTRIBUTORS: there is no file nowhere.yaml'],
  [`${GOOD}SECRETS=TOKEN=theirs:latest\n`, 'SECRETS must be'],
  [`${GOOD}SECRETS=TOKEN=theirs\n`, 'SECRETS must be'],
  [`${GOOD}SECRETS=TOKEN=a:1,TOKEN=b:1\n`, 'SECRETS: TOKEN is given twice'],
  [`${GOOD}SECRETS=SIGNING_KEY_9=a:1\n`, 'SECRETS: the name SIGNING_KEY_9 is taken'],
  [`${GOOD}SECRETS=NODE_OPTIONS=a:1\n`, 'SECRETS: the name NODE_OPTIONS is taken'],
  [`${GOOD}EXECUTOR_ROLES=run.developer\n`, 'EXECUTOR_ROLES must be'],
  [`${GOOD}API_CALLERS=allUsers\n`, 'API_CALLERS must be'],
])('of the settings %j it says: %s', (settingsText, message) => {
  const run = runDeploy([], { settingsText });
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^deploy\.sh: FAILED: [^\n]*\n$/);
  expect(run.stderr).toContain(message);
  expect(run.lines).toEqual([]);
});

test.each([
  [['--frobnicate'], 'unknown option --frobnicate'],
  [['--settings'], '--settings needs a file'],
  [['--retire-key', 'x'], '--retire-key needs the number of a version'],
  [['--yes'], 'belong to --destroy'],
  [['--destroy', '--rotate-key'], '--destroy goes with neither'],
  [['--rotate-key', '--retire-key', '1'], 'not in the run that adds its successor'],
  [['--settings', '/nowhere.env'], 'there is no settings file /nowhere.env'],
])('of the options %j it says: %s', (options, message) => {
  const run = runDeploy(options);
  expect(run.status).toBe(1);
  expect(run.stderr).toContain(message);
  expect(run.lines).toEqual([]);
});

test('the settings file is read and never run', () => {
  const run = runDeploy([], { settingsText: `${GOOD}LOG_LEVEL=$(gcloud run services delete x)\n` });
  expect(run.stderr).toContain('LOG_LEVEL must be');
  expect(run.lines).toEqual([]);
});

test('comments, empty lines, empty values, line ends of Windows and a missing last line end are fine', () => {
  const run = runDeploy(['--dry-run'], {
    settingsText: '# mine\r\n\r\nPROJECT_ID=my-project\r\nQUEUES=\r\nREGION=us-central1',
  });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
});

test('the example is accepted as it is', () => {
  const run = runDeploy([], {
    settingsText: readFileSync(join(ROOT, 'deploy.env.example'), 'utf8'),
  });
  expect(run.stderr).toBe('');
  expect(flag(matching(run, 'firestore databases create')[0], '--location')).toBe('us-central1');
});

test('--help tells every option and does nothing', () => {
  const run = runDeploy(['--help']);
  expect(run.status).toBe(0);
  for (const option of [
    '--settings',
    '--dry-run',
    '--rotate-key',
    '--retire-key',
    '--destroy',
    '--delete-data',
    '--yes',
  ])
    expect(run.stdout).toContain(option);
  expect(run.lines).toEqual([]);
});
