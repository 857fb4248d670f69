import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TaskDescription } from '../../shared/adapters/contract.ts';
import { killCommandsOf, type ProcessIdentity, startTimeOf } from '../../shared/adapters/exec/identity.ts';
import { isTransient, TransientError } from '../../shared/core/errors.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import type { AdapterDocuments } from '../../shared/core/ports.ts';
import {
  abnormal,
  execution,
  isAlive,
  leaveLine,
  linesIn,
  linesOf,
  setUpExec,
  shell,
  succeeded,
  temporaryDirectory,
  untilGone,
} from '../support/exec-adapter.ts';
import { memoryDocuments } from '../support/services.ts';

const ORPHANED = abnormal('CRASHED', 'the stack that ran it stopped');

/** Documents whose n-th write fails, either before it is applied or after. */
function failingDocuments(n: number, when: 'before' | 'after'): AdapterDocuments {
  const memory = memoryDocuments();
  let writes = 0;
  return {
    ...memory,
    async put(id, doc, options) {
      const fails = ++writes === n;
      if (fails && when === 'before') throw new TransientError('the disk is busy');
      const version = await memory.put(id, doc, options);
      if (fails) throw new TransientError('no answer from the disk');
      return version;
    },
  };
}

describe('a write of the record that fails', () => {
  test.each(['before', 'after'] as const)(
    '%s it is applied: the command runs once, when it is asked for again',
    async when => {
      const file = join(temporaryDirectory(), 'ran');
      const { distributor, endOf } = setUpExec({ services: { documents: failingDocuments(1, when) } });
      const task = leaveLine(file);
      const error: unknown = await distributor.run(task).catch((thrown: unknown) => thrown);
      expect(isTransient(error)).toBe(true);
      await distributor.run(task);
      expect(await endOf(task)).toEqual(succeeded({ stdoutTail: '' }));
      expect(linesOf(file)).toHaveLength(1);
    },
  );

  test.each(['before', 'after'] as const)(
    '%s it is applied: a command that is cancelled then never runs',
    async when => {
      const file = join(temporaryDirectory(), 'ran');
      const { distributor } = setUpExec({ services: { documents: failingDocuments(1, when) } });
      const task = leaveLine(file);
      await expect(distributor.run(task)).rejects.toThrow('disk');
      await distributor.cancel(task, task.quest);
      expect((await distributor.run(task)).status).toEqual(abnormal('CANCELLED', expect.any(String)));
      expect(linesOf(file)).toEqual([]);
    },
  );

  test.each(['before', 'after'] as const)('%s the end is recorded: it is recorded all the same', async when => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor, runToEnd } = setUpExec({ services: { documents: failingDocuments(2, when) } });
    const task = leaveLine(file);
    expect(await runToEnd(task)).toEqual(succeeded({ stdoutTail: '' }));
    expect((await distributor.run(task)).status).toEqual(succeeded({ stdoutTail: '' }));
    expect(linesOf(file)).toHaveLength(1);
  });
});

type Point = 'before the record' | 'after the record' | 'while it runs';

/** Another process that brings a run to this point and stays there. Resolves with the documents that it wrote by then. */
async function startOther(point: Point, { quest }: TaskDescription, directory: string) {
  const script = join(import.meta.dirname, 'fixtures', 'exec-stack.ts');
  const stack = spawn(process.execPath, [script, point, directory, JSON.stringify(quest)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void stack.kill('SIGKILL'));
  const [line] = (await once(createInterface(stack.stdout), 'line')) as [string];
  const documents = memoryDocuments();
  for (const { id, doc } of JSON.parse(line) as { id: string; doc: JsonObject }[])
    await documents.put(id, doc, { expireAt: Number.MAX_SAFE_INTEGER });
  if (point === 'while it runs') await linesIn(join(directory, 'ran'), 1);
  return {
    documents,
    async kill() {
      stack.kill('SIGKILL');
      await once(stack, 'exit');
    },
  };
}

/** Kills a life of the stack at this point of a run. Resolves with the documents that it left. */
async function killStack(point: Point, task: TaskDescription, directory: string): Promise<AdapterDocuments> {
  const { documents, kill } = await startOther(point, task, directory);
  await kill();
  return documents;
}

async function recordOf(documents: AdapterDocuments, { executionId }: TaskDescription) {
  const stored = await documents.get(executionId);
  return stored?.doc as unknown as { state: string; owner: ProcessIdentity } & ProcessIdentity;
}

describe('after a stack was killed', () => {
  test('before the record, the command runs for the first time when it is asked for again', async () => {
    const directory = temporaryDirectory();
    const task = leaveLine(join(directory, 'ran'));
    const documents = await killStack('before the record', task, directory);
    const { type, services, runToEnd } = setUpExec({ directory, services: { documents } });
    expect(await type.recover(services)).toEqual([]);
    expect(await runToEnd(task)).toEqual(succeeded({ stdoutTail: '' }));
    expect(linesOf(join(directory, 'ran'))).toHaveLength(1);
  });

  test('after the record, the command never runs and has crashed', async () => {
    const directory = temporaryDirectory();
    const task = leaveLine(join(directory, 'ran'));
    const documents = await killStack('after the record', task, directory);
    const { pid } = await recordOf(documents, task);
    const { type, services, distributor } = setUpExec({ directory, services: { documents } });
    expect(await type.recover(services)).toEqual([{ executionId: task.executionId, data: '{}', attributes: {} }]);
    expect(await isAlive(pid)).toBe(false);
    expect((await distributor.run(task)).status).toEqual(ORPHANED);
    expect(linesOf(join(directory, 'ran'))).toEqual([]);
  });

  test('while the command ran, that is killed and has crashed, and does not run again', async () => {
    const directory = temporaryDirectory();
    const task = shell('echo $$ >> ran; trap "" HUP TERM PIPE; while true; do sleep 0.05; done', { cwd: directory });
    const documents = await killStack('while it runs', task, directory);
    const { pid } = await recordOf(documents, task);
    expect(linesOf(join(directory, 'ran'))).toEqual([String(pid)]);
    expect(await isAlive(pid)).toBe(true);

    const { type, services, distributor } = setUpExec({ directory, services: { documents } });
    const [notification] = await type.recover(services);
    expect(await isAlive(pid)).toBe(false);
    expect(await distributor.handleNotification(notification!, task.quest)).toEqual(ORPHANED);
    const { token, status } = await distributor.run(task);
    expect(status).toEqual(ORPHANED);
    expect(await distributor.getStatus({ ...task, token }, task.quest)).toEqual(ORPHANED);
    expect(linesOf(join(directory, 'ran'))).toHaveLength(1);
  });

  test.each<[string, (asked: ReturnType<typeof setUpExec>, task: TaskDescription) => Promise<unknown>]>([
    ['run', async ({ distributor }, task) => (await distributor.run(task)).status],
    ['getStatus', ({ distributor }, task) => distributor.getStatus({ ...task, token: 't' }, task.quest)],
    [
      'cancel',
      async ({ distributor }, task) => {
        await distributor.cancel(task, task.quest);
        return (await distributor.run(task)).status;
      },
    ],
  ])('%s alone finds that the command has crashed and kills it', async (_operation, ask) => {
    const directory = temporaryDirectory();
    const task = shell('echo $$ >> ran; exec sleep 1000', { cwd: directory });
    const documents = await killStack('while it runs', task, directory);
    const { pid } = await recordOf(documents, task);
    expect(await ask(setUpExec({ directory, services: { documents } }), task)).toEqual(ORPHANED);
    expect(await isAlive(pid)).toBe(false);
  });

  test.runIf(process.platform === 'linux')(
    'processes whose leader is gone, or that left its group, are killed',
    async () => {
      const directory = temporaryDirectory();
      const script =
        'sleep 1000 & echo $! >> pids; setsid sh -c "echo \\$\\$ >> pids; exec sleep 1000" & echo x >> ran; wait';
      const task = shell(script, { cwd: directory });
      const documents = await killStack('while it runs', task, directory);
      const pids = (await linesIn(join(directory, 'pids'), 2)).map(Number);
      const { pid } = await recordOf(documents, task);
      process.kill(pid, 'SIGKILL');
      await untilGone(pid);
      for (const left of pids) expect(await isAlive(left)).toBe(true);
      const { type, services } = setUpExec({ directory, services: { documents } });
      await type.recover(services);
      for (const left of pids) expect(await isAlive(left)).toBe(false);
    },
  );
});

describe('a command of another process that lives', () => {
  const STATES: readonly Point[] = ['after the record', 'while it runs'];
  test.each(STATES)('%s: runs, and nobody else starts or stops it', async point => {
    const directory = temporaryDirectory();
    const task = shell('echo $$ >> ran; exec sleep 1000', { cwd: directory });
    const other = await startOther(point, task, directory);
    const { pid } = await recordOf(other.documents, task);
    const { type, services, distributor } = setUpExec({ directory, services: { documents: other.documents } });

    const handle = { ...task, token: 'its token' };
    const notification = { executionId: task.executionId, data: '{}', attributes: {} };
    expect(await distributor.getStatus(handle, task.quest)).toEqual({ state: 'running' });
    expect(await distributor.handleNotification(notification, task.quest)).toEqual({ state: 'running' });
    for (const refused of [distributor.run(task), distributor.cancel(handle, task.quest)]) {
      const error: unknown = await refused.catch((thrown: unknown) => thrown);
      expect(isTransient(error)).toBe(true);
    }
    expect(await type.recover(services)).toEqual([]);
    expect(await isAlive(pid)).toBe(true);
    expect(linesOf(join(directory, 'ran'))).toHaveLength(point === 'while it runs' ? 1 : 0);

    await other.kill();
    expect(await distributor.getStatus(handle, task.quest)).toEqual(ORPHANED);
    expect(await isAlive(pid)).toBe(false);
    await distributor.cancel(handle, task.quest);
    expect((await distributor.run(task)).status).toEqual(ORPHANED);
  });

  test('has one end, however many find at the same time that the other process is gone', async () => {
    const directory = temporaryDirectory();
    const task = shell('echo $$ >> ran; exec sleep 1000', { cwd: directory });
    const documents = await killStack('while it runs', task, directory);
    const asking = Array.from({ length: 4 }, () => setUpExec({ directory, services: { documents } }));
    const handle = { ...task, token: 'its token' };
    const states = await Promise.all(asking.map(({ distributor }) => distributor.getStatus(handle, task.quest)));
    expect(states).toEqual(states.map(() => ORPHANED));
  });
});

test('a process that exits without waiting can kill what it runs, which has crashed', async () => {
  const { type, services, distributor } = setUpExec();
  const task = shell('trap "" TERM HUP; while true; do sleep 0.05; done');
  const { token } = await distributor.run(task);
  const { pid } = await recordOf(services.documents, task);
  type.kill();
  await untilGone(pid);
  await vi.waitFor(async () =>
    expect(await distributor.getStatus({ ...task, token }, task.quest)).toEqual(
      abnormal('CRASHED', 'killed by SIGKILL'),
    ),
  );
});

test.runIf(process.platform === 'linux')(
  'all that a process launched which is gone can be killed without any record',
  async () => {
    const directory = temporaryDirectory();
    const task = shell('setsid sleep 1000 & echo $! >> ran; wait', { cwd: directory });
    const other = await startOther('while it runs', task, directory);
    const { pid, owner } = await recordOf(other.documents, task);
    await other.kill();
    const pids = [pid, ...linesOf(join(directory, 'ran')).map(Number)];
    const mine = execution(['sleep', '1000']);
    const { services, distributor } = setUpExec();
    await distributor.run(mine);
    await killCommandsOf(owner);
    for (const gone of pids) expect(await isAlive(gone)).toBe(false);
    expect(await isAlive((await recordOf(services.documents, mine)).pid)).toBe(true);
  },
);

describe('recover', () => {
  test('spares a process that only has the number of an old one, and other stacks’ processes of the same execution', async () => {
    const other = setUpExec();
    const task = execution(['sleep', '1000']);
    await other.distributor.run(task);
    const { pid, startTime } = await recordOf(other.services.documents, task);
    const { type, services, distributor } = setUpExec();
    const dead = { pid, startTime: `${startTime}0` };
    const record = { state: 'running', owner: dead, ...dead };
    await services.documents.put(task.executionId, record, { expireAt: Number.MAX_SAFE_INTEGER });
    expect(await type.recover(services)).toHaveLength(1);
    expect(await isAlive(pid)).toBe(true);
    expect((await distributor.run(task)).status).toEqual(ORPHANED);
  });

  test('leaves alone what runs now', async () => {
    const { type, services, distributor } = setUpExec();
    const task = execution(['sleep', '1000']);
    const { token } = await distributor.run(task);
    expect(await type.recover(services)).toEqual([]);
    expect(await distributor.getStatus({ ...task, token }, task.quest)).toEqual({ state: 'running' });
  });

  test('tells an end again until somebody has read it', async () => {
    const { services, distributor, type, runToEnd } = setUpExec();
    const [told, untold] = [leaveLine('/dev/null'), execution(['sleep', '1000'], { execution: 2 })];
    await runToEnd(told);
    await distributor.run(untold);
    await type.close();

    const next = setUpExec({ services: { documents: services.documents } });
    const [notification, ...others] = await next.type.recover(next.services);
    expect(notification).toMatchObject({ executionId: untold.executionId });
    expect(others).toEqual([]);
    await next.distributor.handleNotification(notification!, untold.quest);
    expect(await next.type.recover(next.services)).toEqual([]);
  });

  test('goes past what it cannot read', async () => {
    const { type, services } = setUpExec();
    for (let n = 0; n < 250; n++)
      await services.documents.put(
        `x${n}`,
        { state: n === 7 ? 'strange' : 'exited', result: { data: {} }, told: n > 9 },
        { expireAt: 1 },
      );
    expect(await type.recover(services)).toHaveLength(9);
  });
});

test('a start time tells a process from another of the same number, and from none', async () => {
  const child = spawn('sleep', ['1000']);
  const pid = child.pid!;
  const startTime = await startTimeOf(pid);
  expect(startTime).toBeDefined();
  expect(await startTimeOf(pid)).toBe(startTime);
  expect(await startTimeOf(process.pid)).not.toBe(startTime);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await startTimeOf(pid)).toBeUndefined();
});
