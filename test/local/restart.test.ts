import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFailed, test, vi } from 'vitest';
import { statusOf } from '../../local/demo/samples.ts';
import { startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { type ReceivedRequest, serve } from '../support/http-server.ts';
import { freePorts, runStack, send, shell, sim, temporaryFolder, web, writeDistributors } from '../support/stack.ts';

const RETRY = { meta: { retry: { crashed: 5 }, backoff: { initial: '0.05s' } } };
const PATIENT = { timeout: 20_000, interval: 20 };

/** Environment for a stack that is started again on the same data and ports. */
async function stackIn(folder: string): Promise<Record<string, string>> {
  const DISTRIBUTORS = writeDistributors(folder);
  return { DATA_DIR: join(folder, 'data'), PORT: String(await freePorts()), DISTRIBUTORS };
}

/** Commands that leave their process id, wait for a file `go` and then append their execution's id to `done`. */
function gatedCommands(folder: string) {
  mkdirSync(join(folder, 'started'));
  // They end by themselves when no test lets them go.
  const gate = 'i=0; until [ -e go ]; do i=$((i+1)); [ $i -lt 600 ] || exit 9; sleep 0.1; done';
  const started = () => readdirSync(join(folder, 'started'));
  return {
    desc: (n: number) =>
      shell(`echo $$ > "started/$EXECUTION_ID"; ${gate}; echo "$EXECUTION_ID" >> done`, {
        ...RETRY,
        cwd: folder,
        parameters: { n },
      }),
    quick: (n: number) => shell('echo "$EXECUTION_ID" >> done', { ...RETRY, cwd: folder, parameters: { quick: n } }),
    started,
    open: () => writeFileSync(join(folder, 'go'), ''),
    pids: () => started().map(file => Number(readFileSync(join(folder, 'started', file), 'utf8'))),
    completed: () =>
      existsSync(join(folder, 'done')) ? readFileSync(join(folder, 'done'), 'utf8').trim().split('\n') : [],
  };
}

/** Tells a service's answer until it is heard, as a service does whose distributor is down for the moment. */
async function answerBy({ headers, body }: ReceivedRequest): Promise<void> {
  await vi.waitFor(async () => {
    const answer = await send(headers['x-notify-url']!, {
      method: 'POST',
      headers: { authorization: `Bearer ${headers['x-auth-token']}` },
      body: JSON.stringify({ state: 'finished', result: { data: JSON.parse(body) as object } }),
    });
    expect(answer.status).toBe(202);
  }, PATIENT);
}

function many(count: number, desc: (n: number) => object): object[] {
  return Array.from({ length: count }, (_, n) => desc(n));
}

async function aliveOf(pids: number[]): Promise<number[]> {
  const startTimes = await Promise.all(pids.map(startTimeOf));
  return pids.filter((_, i) => startTimes[i] !== undefined);
}

test('a kill -9 in the middle of 50 executions loses none and completes none twice', async () => {
  const folder = temporaryFolder();
  const commands = gatedCommands(folder);
  const environment = await stackIn(folder);
  const afterRestart = Promise.withResolvers<void>();
  const waiting: ReceivedRequest[] = [];
  const service = await serve(async request => {
    const { path, body } = request;
    if (path === '/held') await afterRestart.promise;
    if (path === '/async') waiting.push(request);
    if (path === '/quick') setImmediate(() => void answerBy(request));
    return path === '/held' || path === '/now' ? { body } : { status: 202, body: { token: 'of the service' } };
  });
  const calls = (path: string) => service.requests.filter(request => request.path === path).length;

  const first = await runStack(environment);
  const kinds = {
    gated: many(10, commands.desc),
    quick: many(10, commands.quick),
    held: many(4, n => web(`${service.url}/held`, { held: n })),
    now: many(4, n => web(`${service.url}/now`, { now: n })),
    async: many(6, n => web(`${service.url}/async`, { async: n })),
    notified: many(6, n => web(`${service.url}/quick`, { notified: n })),
    sim: many(10, n => sim({ seed: n, stages: [{ stall: { delay: '1.5s' } }], returnStage: { retval: n } })),
  };
  const descs = Object.values(kinds).flat();
  expect(descs).toHaveLength(50);
  const questIds = await first.api.submitAll(descs);
  const questsOf = (kind: keyof typeof kinds) => kinds[kind].map(desc => questIds[descs.indexOf(desc)]!);

  await vi.waitFor(() => {
    expect(commands.started()).toHaveLength(10);
    expect(calls('/held')).toBe(4);
    expect(calls('/async')).toBe(6);
  }, PATIENT);
  first.kill('SIGKILL');
  await first.exited;
  const orphans = commands.pids();
  expect(await aliveOf(orphans)).toEqual(orphans);
  const answered = Promise.all(waiting.map(answerBy));

  const second = await runStack(environment);
  onTestFailed(() => console.log(second.stderr().slice(-6000)));
  expect(await aliveOf(orphans)).toEqual([]);
  afterRestart.resolve();
  commands.open();
  await answered;
  const attempts = await Promise.all(questIds.map(quest => second.api.wait(quest)));

  expect(attempts.map(({ state }) => state)).toEqual(Array.from({ length: 50 }, () => 'FINISHED'));
  const attemptOf = (quest: string) => attempts[questIds.indexOf(quest)]!;

  for (const quest of questsOf('gated')) {
    expect(attemptOf(quest).executions.map(({ result }) => statusOf(result))).toEqual(['CRASHED', 'FINISHED']);
  }
  const completed = commands.completed();
  expect(new Set(completed).size).toBe(completed.length);
  for (const quest of [...questsOf('gated'), ...questsOf('quick')]) {
    const { executions } = attemptOf(quest);
    for (const { result } of executions.slice(0, -1)) expect(statusOf(result)).toBe('CRASHED');
    expect(completed).toContain(`${quest}|1|${executions.length}`);
  }
  for (const quest of questsOf('gated')) expect(completed.filter(id => id.startsWith(quest))).toHaveLength(1);

  const keys = new Set(service.requests.map(({ headers }) => String(headers['idempotency-key'])));
  const http = [...questsOf('held'), ...questsOf('now'), ...questsOf('async'), ...questsOf('notified')];
  expect([...keys].toSorted()).toEqual(http.map(quest => `${quest}|1|1`).toSorted());
  for (const kind of ['held', 'now', 'async', 'notified'] as const) {
    expect(questsOf(kind).map(quest => attemptOf(quest).result)).toEqual(
      kinds[kind].map((_, n) => ({ data: { [kind]: n } })),
    );
  }
  expect(questsOf('sim').map(quest => attemptOf(quest).result)).toEqual(
    kinds.sim.map((_, n) => ({ data: { success: true, value: String(n) } })),
  );
  for (const quest of questsOf('sim')) expect(attemptOf(quest).executions).toHaveLength(1);
}, 60_000);

test('stops cleanly on SIGTERM, taking its commands with it, and goes on with what was in flight', async () => {
  const folder = temporaryFolder();
  const commands = gatedCommands(folder);
  const environment = await stackIn(folder);
  const waiting: ReceivedRequest[] = [];
  const service = await serve(request => {
    waiting.push(request);
    return { status: 202, body: { token: 'of the service' } };
  });

  const first = await runStack(environment);
  const quests = await first.api.submitAll([
    commands.desc(1),
    commands.desc(2),
    web(service.url, { n: 1 }),
    sim({ stages: [{ stall: { delay: '2s' } }], returnStage: { retval: 1 } }),
  ]);
  await vi.waitFor(() => {
    expect(commands.started()).toHaveLength(2);
    expect(waiting).toHaveLength(1);
  }, PATIENT);
  const pids = commands.pids();
  const longPoll = first.api.wait(quests[0]!).catch(() => 'cut off');
  first.kill('SIGTERM');
  await first.printed(/stopping/);
  // A Ctrl-C under npm comes twice: from the terminal, and passed on by npm.
  first.kill('SIGTERM');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  expect(await longPoll).toBe('cut off');
  expect(await aliveOf(pids)).toEqual([]);

  const second = await runStack(environment);
  commands.open();
  await answerBy(waiting[0]!);
  const attempts = await Promise.all(quests.map(quest => second.api.wait(quest)));
  expect(attempts.map(({ result }) => statusOf(result))).toEqual(Array.from({ length: 4 }, () => 'FINISHED'));
  expect(attempts[0]!.executions.map(({ result }) => statusOf(result))).toEqual(['CRASHED', 'FINISHED']);
  expect(commands.completed().toSorted()).toEqual([`${quests[0]}|1|2`, `${quests[1]}|1|2`].toSorted());
  expect(service.requests).toHaveLength(1);
}, 40_000);
