import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import type { DistributorType } from '../../shared/adapters/contract.ts';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { executionName } from '../../shared/adapters/execution-name.ts';
import { createRegistry, typeTable } from '../../shared/adapters/registry.ts';
import { isTransient, TransientError } from '../../shared/core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../shared/core/json.ts';
import { normalizeQuest, type QuestDesc } from '../../shared/core/quest.ts';
import { normalizeStatus } from '../../shared/core/result.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { impatientHttp } from '../support/fake-service.ts';
import { serveKubernetesJobs } from '../support/fakes/kubernetes-job.ts';
import { fakeServices } from '../support/services.ts';

/**
 * The guide at the end of docs/executors.md: its blocks of code are put where they belong in a copy of the tree (of links, but for what
 * the guide adds), compiled, and run with its own tests.
 */

const ROOT = join(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/executors.md'), 'utf8').split('\n## Write your own adapter\n')[1] ?? '';

const blocks = [...GUIDE.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = '', text = '']) => ({
  language,
  text,
}));

/** By path: the blocks headed `// path` and `// path, continued`. */
const files = new Map<string, string>();
let added: string | undefined;
for (const { language, text } of blocks) {
  const [, path = '', note] = /^\/\/ ([\w./-]+)(?:, (\w+))?\n/.exec(text) ?? [];
  const code = text.slice(text.indexOf('\n') + 1);
  if (language !== 'ts') continue;
  if (note === 'added') added = code;
  else files.set(path, (note === 'continued' ? `${files.get(path)}\n` : '') + code);
}

const TYPES = 'shared/adapters/types.ts';
const EXAMPLE = 'shared/adapters/kubernetes-job';
const copy = mkdtempSync(join(tmpdir(), 'guide-'));
afterAll(() => rmSync(copy, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  writeFileSync(join(copy, path), text);
}

const link = (path: string) => symlinkSync(join(ROOT, path), join(copy, path));

for (const [path, text] of files) write(path, text);
write(TYPES, withAdded(readFileSync(join(ROOT, TYPES), 'utf8'), added ?? ''));
write(
  'tsconfig.json',
  JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), files: [...files.keys(), TYPES], include: [] }),
);
for (const path of ['node_modules', 'package.json', '.oxlintrc.json', 'shared/core', 'test/contracts', 'test/support'])
  link(path);
for (const name of readdirSync(join(ROOT, 'shared/adapters'))) {
  const path = `shared/adapters/${name}`;
  if (path !== TYPES && path !== EXAMPLE) link(path);
}

/** The table of types with the guide's import and entry. */
function withAdded(table: string, lines: string): string {
  const [, importLine = '', entry = ''] = /^(import .*)\n\s+(\w+),\n$/.exec(lines) ?? [];
  return table.replace(/^import/m, `${importLine}\nimport`).replace(/,?\s*\];\s*$/, `, ${entry}];\n`);
}

async function load<T>(path: string): Promise<T> {
  return (await import(pathToFileURL(join(copy, path)).href)) as T;
}

const { ADAPTER_TYPES } = await load<{ ADAPTER_TYPES: readonly DistributorType[] }>(TYPES);
const types = typeTable(ADAPTER_TYPES);

describe('the code of the guide', { timeout: 120_000 }, () => {
  const paths = [...files.keys()].map(path => join(copy, path));

  test('is all there', () => {
    const names = ['config', 'errors', 'index', 'job', 'parameters', 'status'].map(name => `${EXAMPLE}/${name}.ts`);
    expect([...files.keys()].toSorted()).toEqual([...names, 'test/adapters/kubernetes-job.contract.test.ts']);
  });

  test.each([
    ['compiles as strictly as everything else', 'tsc', ['--project', copy]],
    ['passes the lint', 'oxlint', ['--deny-warnings', '--config', join(copy, '.oxlintrc.json'), ...paths]],
    ['is formatted', 'biome', ['format', '--config-path', ROOT, '--vcs-enabled=false', ...paths]],
  ])('%s', (_, tool, args) => {
    const program = join(ROOT, 'node_modules/.bin', tool);
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: copy, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  });
});

// The guide's own tests: both contract suites, and the table of states.
await load('test/adapters/kubernetes-job.contract.test.ts');

describe('what the guide says to try', () => {
  const yaml = blocks.filter(({ language }) => language === 'yaml').map(({ text }) => parseYaml(text) as object);
  const quests = [...GUIDE.matchAll(/ -d '([^']+)'/g)].map(([, text = '']) => parseJson(text));

  test('its entry of the distributors file is one, and its quest is accepted', () => {
    const [entry] = yaml.filter(one => 'cluster' in one);
    const distributors = parseDistributors(entry, types);
    const registry = createRegistry({ types, distributors, servicesFor: () => fakeServices() });
    const [request] = quests.filter(one => JSON.stringify(one).includes('"cluster"'));
    const [quest] = isJsonObject(request) && Array.isArray(request.quests) ? request.quests : [];
    const { desc } = normalizeQuest(isJsonObject(quest) ? quest.desc : undefined);
    expect(registry.resolve(desc)).toMatchObject({
      distributor: { type: 'kubernetes-job', config: { maxInFlight: 20 } },
      mode: 'unattended',
      pollIntervalMs: 5000,
    });
  });
});

describe('the example', () => {
  const type = types.get('kubernetes-job')!;

  async function setUp(config: JsonObject = {}) {
    const cluster = await serveKubernetesJobs();
    const { service } = cluster;
    const distributors = parseDistributors(
      { k: { type: type.type, config: { endpoint: service.url, ...config } } },
      types,
    );
    const services = fakeServices({ http: impatientHttp });
    const registry = createRegistry({ types, distributors, servicesFor: () => services });
    const distributor = registry.instance(distributors.get('k')!)!;
    async function start(part: Partial<QuestDesc> = {}) {
      const quest = questOf({ distributorParameters: { image: 'busybox' }, ...part });
      const task = describeTask(quest);
      const handle = { executionId: task.executionId, token: (await distributor.run(task)).token };
      const sent = parseJson(service.requests.at(-1)?.body ?? '') as { spec: JsonObject & { template: JsonObject } };
      return { quest, task, handle, sent };
    }
    return { cluster, service, distributor, start };
  }

  test('sends the quest to the container as it is', async () => {
    const { start } = await setUp();
    const command = ['sh', '-c', 'echo $$ $(HOME) $$(date)'];
    const { sent } = await start({
      distributorParameters: { image: 'busybox', command },
      parameters: { price: '$5', b: '$(HOME)', a: '$$' },
    });
    expect(sent.spec.template).toMatchObject({
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        containers: [
          {
            command: ['sh', '-c', 'echo $$$$ $$(HOME) $$$$(date)'],
            env: [{ name: 'QUEST_PARAMETERS', value: '{"a":"$$$$","b":"$$(HOME)","price":"$$5"}' }],
          },
        ],
      },
    });
  });

  test.each<[string, JsonObject, QuestDesc['meta'], number | undefined]>([
    ['nothing', {}, {}, 3600 + 86_400],
    ['the quest', { timeouts: { run: '1s' } }, { timeouts: { start: '60s', run: '90.5s' } }, 151],
    ['the config', { timeouts: { start: '10s', run: '20s' } }, {}, 30],
    ['a quest without limit', {}, { timeouts: { run: '0s' } }, undefined],
    ['a quest that may wait for ever', {}, { timeouts: { start: '0s', run: '10s' } }, undefined],
  ])(
    'hands over the time limit of %s, and switches off the retries of the cluster',
    async (_, config, meta, seconds) => {
      const { start } = await setUp(config);
      const { sent } = await start({ meta });
      expect(sent.spec['activeDeadlineSeconds']).toBe(seconds);
      expect(sent.spec['backoffLimit']).toBe(0);
    },
  );

  test('a cancelled job is there until its pods are gone, and they do go', async () => {
    const { cluster, distributor, start } = await setUp();
    const { handle, quest } = await start();
    cluster.ready(handle.executionId);
    await distributor.cancel(handle, quest);
    expect(await distributor.getStatus(handle, quest)).toEqual({ state: 'pending' });
    await distributor.cancel(handle, quest);
    await expect(distributor.getStatus(handle, quest)).rejects.toMatchObject({ status: 404, code: 'NotFound' });
    expect(cluster.pods()).toBe(0);
  });

  test('a job that ends while it is being cancelled keeps its end', async () => {
    const { cluster, service, distributor, start } = await setUp();
    const { handle, quest } = await start();
    const cancelled = distributor.cancel(handle, quest);
    // Between the question and the delete.
    await expect.poll(() => service.requests.length, { interval: 0 }).toBe(2);
    cluster.complete(handle.executionId);
    await cancelled.catch((error: unknown) => expect(error).toBeInstanceOf(TransientError));
    await distributor.cancel(handle, quest);
    expect(await distributor.getStatus(handle, quest)).toMatchObject({ result: { data: { exitCode: 0 } } });
  });

  test('a conflict about something else is no job', async () => {
    const { cluster, service, start } = await setUp();
    const message = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified';
    service.fail(/^POST/, { status: 409, body: { kind: 'Status', status: 'Failure', message, reason: 'Conflict' } });
    const error: unknown = await start().catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
    expect(cluster.created()).toBe(0);
    await start();
    expect(cluster.created()).toBe(1);
  });

  test('a namespace that does not exist is said in words', async () => {
    const { start } = await setUp({ namespace: 'elsewhere' });
    await expect(start()).rejects.toThrow('answered 404: namespaces "elsewhere" not found (NotFound)');
  });

  test('a 404 of something in between does not count as gone', async () => {
    const { cluster, service, distributor, start } = await setUp();
    const { handle, quest } = await start();
    service.fail(/^GET/, { status: 404, body: '<html>no such page' });
    await expect(distributor.cancel(handle, quest)).rejects.toThrow('no such page');
    expect(cluster.pods()).toBe(1);
  });

  test('a job that was removed after its time is a final error', async () => {
    const { cluster, distributor, start } = await setUp();
    const { handle, quest } = await start();
    cluster.complete(handle.executionId);
    cluster.expire(handle.executionId);
    const error: unknown = await distributor.getStatus(handle, quest).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 404, code: 'NotFound' });
    expect(isTransient(error)).toBe(false);
  });

  test('the reason of a failure says what to do, and is never too long', async () => {
    const { cluster, distributor, start } = await setUp();
    const { handle, quest } = await start();
    cluster.fail(handle.executionId, 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
    const name = executionName(handle.executionId);
    expect(await distributor.getStatus(handle, quest)).toMatchObject({
      result: { abnormalFinish: { status: 'FAILED', reason: expect.stringContaining(`describe job/${name}`) } },
    });
    cluster.fail(handle.executionId, '\u0000', 'x'.repeat(300_000));
    const status = await distributor.getStatus(handle, quest);
    expect(normalizeStatus(status)).toEqual(status);
  });

  test('infoUrl is for names that we gave', async () => {
    const { service, distributor, start } = await setUp();
    const { handle } = await start();
    expect(distributor.infoUrl(handle.token)).toBe(
      `${service.url}/apis/batch/v1/namespaces/default/jobs/${handle.token}`,
    );
    expect(distributor.infoUrl('../../secrets/x')).toBeUndefined();
  });

  test('a token of another execution is refused without a call', async () => {
    const { service, distributor, start } = await setUp();
    const { handle, quest } = await start();
    const calls = service.requests.length;
    await expect(distributor.getStatus({ ...handle, token: '../pods/x' }, quest)).rejects.toThrow('is not the name');
    expect(service.requests).toHaveLength(calls);
  });

  test.each<[JsonObject, string]>([
    [{}, 'k.config.endpoint'],
    [{ endpoint: 'ftp://x' }, 'k.config.endpoint'],
    [{ endpoint: 'https://x', namespace: 'a/b' }, 'k.config.namespace'],
    [{ endpoint: 'https://x', token: 'abc' }, 'k.config.token'],
    [{ endpoint: 'https://x', serviceAccount: 'a' }, 'k.config'],
  ])('config %j is refused', (config, field) => {
    expect(() => parseDistributors({ k: { type: 'kubernetes-job', config } }, types)).toThrow(
      expect.objectContaining({ name: 'InvalidArgument', field }),
    );
  });
});
