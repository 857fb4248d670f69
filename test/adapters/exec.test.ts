import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createExecType } from '../../shared/adapters/exec/index.ts';
import { isTransient } from '../../shared/core/errors.ts';
import type { TaskStatus } from '../../shared/core/result.ts';
import { parseWith } from '../../shared/core/validation.ts';
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
import { manualClock } from '../support/services.ts';

const LEADER_AND_CHILD = 'echo $$; (trap "" TERM; echo $(exec sh -c "echo \\$PPID"); exec sleep 1000) & wait';

function stdoutTail(status: TaskStatus | undefined): string {
  if (status?.state !== 'finished' || !('data' in status.result)) throw new Error(JSON.stringify(status));
  return status.result.data.stdoutTail as string;
}

const variablesOf = (status: TaskStatus | undefined) =>
  Object.fromEntries(
    stdoutTail(status)
      .trim()
      .split('\n')
      .map(line => line.split(/=(.*)/s).slice(0, 2)),
  ) as Record<string, string>;

describe('a command', () => {
  test('is running as soon as run answers, and finished when it has ended', async () => {
    const { distributor, endOf } = setUpExec();
    const task = shell('cat');
    const { token, status } = await distributor.run(task);
    expect(status).toEqual({ state: 'running' });
    expect(await endOf(task)).toEqual(succeeded({}));
    expect(await distributor.getStatus({ ...task, token }, task.quest)).toEqual(succeeded({}));
  });

  test('reads the parameters and writes the result', async () => {
    const { runToEnd } = setUpExec();
    const parameters = { b: 'ü\n"', a: [1, { c: null }], long: 'x'.repeat(200_000) };
    expect(await runToEnd(execution(['cat'], { parameters }))).toEqual(succeeded(parameters));
  });

  test('need not read its parameters', async () => {
    const { runToEnd } = setUpExec();
    const parameters = { long: 'x'.repeat(200_000) };
    expect(await runToEnd(shell('exec 0<&-; echo "{}"', { parameters }))).toEqual(succeeded({}));
  });

  test('whose output is no object has its tail as the result', async () => {
    const { runToEnd } = setUpExec();
    expect(await runToEnd(execution(['echo', 'hello', '$HOME']))).toEqual(succeeded({ stdoutTail: 'hello $HOME\n' }));
  });

  test('that exits with a status has failed, and says why', async () => {
    const { runToEnd } = setUpExec();
    expect(await runToEnd(shell('echo "{}"; echo "no way" >&2; exit 3'))).toEqual(
      abnormal('FAILED', 'exit status 3: no way'),
    );
  });

  test('that a signal ends has crashed', async () => {
    const { runToEnd } = setUpExec();
    expect(await runToEnd(shell('echo oops >&2; kill -SEGV $$'))).toEqual(
      abnormal('CRASHED', 'killed by SIGSEGV: oops'),
    );
  });

  test('that does not exist has failed', async () => {
    const { runToEnd } = setUpExec();
    expect(await runToEnd(execution(['no-such-command', 'x']))).toEqual(
      abnormal('FAILED', expect.stringMatching(/^exit status 127: .*no-such-command.*not found/)),
    );
  });

  test('may look like an option or a shell builtin without being one', async () => {
    const { runToEnd } = setUpExec();
    for (const command of ['-c', 'cd'])
      expect(await runToEnd(execution([command, 'echo']))).toEqual(abnormal('FAILED', expect.stringContaining('127')));
  });

  test('runs where the quest says', async () => {
    const { runToEnd } = setUpExec();
    const cwd = temporaryDirectory();
    expect(stdoutTail(await runToEnd(execution(['pwd', '-P'], { cwd })))).toBe(`${cwd}\n`);
  });

  test('is refused for good when there is no such directory, and nothing is left of it', async () => {
    const { distributor, services, directory } = setUpExec();
    const task = execution(['pwd'], { cwd: join(temporaryDirectory(), 'missing'), previousState: { n: 1 } });
    for (let tries = 0; tries < 2; tries++) {
      const error: unknown = await distributor.run(task).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'InvalidArgument', field: 'distributorParameters.cwd' });
    }
    expect(await services.documents.list({ limit: 10 })).toEqual({ items: [] });
    expect(readdirSync(join(directory, 'state'))).toEqual([]);
    await distributor.cancel(task, task.quest);
  });

  test('is refused for good when it is too long for the system', async () => {
    const { distributor } = setUpExec();
    const task = execution(['echo', 'x'.repeat(250_000)]);
    await expect(distributor.run(task)).rejects.toMatchObject({ field: 'distributorParameters.command' });
  });

  test('that cannot be started for now is asked for again', async () => {
    // A file where the directory of the logs would be.
    const { distributor } = setUpExec({ directory: '/dev/null' });
    const error: unknown = await distributor.run(shell('true')).catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
  });

  test('ends with its first process: what that left behind in its group is killed', async () => {
    const { runToEnd } = setUpExec();
    const pid = Number(stdoutTail(await runToEnd(shell('sleep 1000 & echo $!'))));
    await untilGone(pid);
  });

  test.runIf(process.platform === 'linux')(
    'ends although a process outside its group still holds its output',
    async () => {
      const { runToEnd } = setUpExec();
      const cwd = temporaryDirectory();
      const script =
        'setsid sh -c "echo \\$\\$ > pid; exec sleep 1000" & until [ -s pid ]; do sleep 0.01; done; echo "{}"';
      expect(await runToEnd(shell(script, { cwd }))).toEqual(succeeded({}));
      process.kill(Number(linesOf(join(cwd, 'pid'))[0]), 'SIGKILL');
    },
  );
});

describe('the log', () => {
  test('holds what came on stdout and stderr, and infoUrl names it', async () => {
    const { runToEnd, logOf, distributor } = setUpExec();
    const task = shell('echo out; echo err >&2; exit 1');
    await runToEnd(task);
    expect(logOf(task.executionId).split('\n').toSorted()).toEqual(['', 'err', 'out']);
    const { token } = await distributor.run(task);
    expect(distributor.infoUrl(token)).toMatch(/^file:\/\/\/.*\/logs\/[\w.-]+\.log$/);
  });

  test.each(['', '..', '../../etc/passwd', 'a|1|1', `${'x'.repeat(43)}.1`, `${'x'.repeat(43)}.1.1/..`])(
    'has no address for the token %j',
    token => {
      expect(setUpExec().distributor.infoUrl(token)).toBeUndefined();
    },
  );
});

describe('the environment of a command', () => {
  const INTERACTIVE = ['ACTIVATION_TOKEN', 'AUTH_TOKEN', 'EXECUTION_URL', 'NOTIFY_URL'];

  test('is the execution, a few variables of the stack, the config and the quest', async () => {
    const environment = { HOME: '/home/x', LANG: 'C', TMPDIR: '/tmp', USER: 'x', DATABASE_PASSWORD: 'hidden' };
    const { runToEnd } = setUpExec({ environment, config: { env: { A: 'config', B: 'config' } } });
    const task = execution(['env'], { attempt: 2, execution: 3, env: { B: 'quest', C: 'env:DATABASE_PASSWORD' } });
    // Some shells add these.
    const { PATH, EXECUTION_MARK, PWD: _pwd, SHLVL: _shlvl, _: _last, ...others } = variablesOf(await runToEnd(task));
    expect(PATH).toBe(process.env.PATH);
    expect(EXECUTION_MARK).toContain(task.executionId);
    expect(others).toEqual({
      HOME: '/home/x',
      LANG: 'C',
      TMPDIR: '/tmp',
      USER: 'x',
      A: 'config',
      B: 'quest',
      C: 'env:DATABASE_PASSWORD',
      EXECUTION_ID: task.executionId,
      ATTEMPT: '2',
      EXECUTION: '3',
    });
  });

  test('tells an interactive job how to call back', async () => {
    const { runToEnd } = setUpExec();
    const task = execution(['env'], { meta: { mode: 'interactive' } });
    const { notifyUrl, attributes } = task.prepareTopic();
    expect(variablesOf(await runToEnd(task))).toMatchObject({
      EXECUTION_URL: task.executionUrl,
      ACTIVATION_TOKEN: task.executionAuth.activationToken,
      NOTIFY_URL: notifyUrl,
      AUTH_TOKEN: attributes.auth_token,
    });
  });

  test.each([{}, { meta: { mode: 'unattended' as const } }])('tells nobody else: %j', async quest => {
    const { runToEnd } = setUpExec();
    const names = Object.keys(variablesOf(await runToEnd(execution(['env'], quest))));
    expect(names.filter(name => INTERACTIVE.includes(name))).toEqual([]);
  });

  test('names a file with the previous state, which is gone afterwards', async () => {
    const { runToEnd, directory } = setUpExec();
    const previousState = { stage: 3, text: 'ü' };
    expect(await runToEnd(shell('cat "$PREVIOUS_STATE_FILE"', { previousState }))).toEqual(succeeded(previousState));
    expect(readdirSync(join(directory, 'state'))).toEqual([]);
  });

  test('names no such file when there is no previous state', async () => {
    const { runToEnd } = setUpExec();
    expect(variablesOf(await runToEnd(execution(['env'])))).not.toHaveProperty('PREVIOUS_STATE_FILE');
  });

  test('holds secrets, which are read at each call and stored nowhere', async () => {
    let secret = 'first-secret';
    const secretOf = (reference: string) => {
      expect(reference).toBe('env:KEY');
      return secret;
    };
    const { runToEnd, services, logOf, directory } = setUpExec({
      config: { env: { API_KEY: 'env:KEY' } },
      services: { secret: secretOf },
    });
    for (const [index, value] of ['first-secret', 'rotated'].entries()) {
      secret = value;
      const task = shell('printf %s "$API_KEY" | wc -c; exit 0', { execution: index + 1 });
      expect(stdoutTail(await runToEnd(task)).trim()).toBe(String(value.length));
      const stored = JSON.stringify([await services.documents.list({ limit: 10 }), services.log, services.tasks]);
      const files = readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      expect([stored, logOf(task.executionId), ...files].join('\n')).not.toContain(value);
    }
  });

  test('without a secret that it needs there is no command', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor } = setUpExec({ config: { env: { API_KEY: 'env:KEY' } } });
    await expect(distributor.run(leaveLine(file))).rejects.toThrow('unexpected secret: env:KEY');
    expect(linesOf(file)).toEqual([]);
  });
});

describe('run', () => {
  test('at the same time starts one command and gives one token', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor, endOf } = setUpExec();
    const task = leaveLine(file);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => distributor.run(task)));
    expect(new Set(outcomes.map(({ token }) => token)).size).toBe(1);
    await endOf(task);
    expect(linesOf(file)).toHaveLength(1);
  });

  test('at the same time in two processes starts one command', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const one = setUpExec();
    const other = setUpExec({ services: { documents: one.services.documents } });
    const task = leaveLine(file);
    const outcomes = await Promise.allSettled([one, other].map(({ distributor }) => distributor.run(task)));
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.every(outcome => outcome.status === 'fulfilled' || isTransient(outcome.reason))).toBe(true);
    await (outcomes[0]!.status === 'fulfilled' ? one : other).endOf(task);
    expect(linesOf(file)).toHaveLength(1);
  });

  test('while the command runs says so', async () => {
    const { distributor } = setUpExec();
    const task = execution(['sleep', '1000']);
    expect(await distributor.run(task)).toEqual(await distributor.run(task));
  });

  test('after the end gives the same token and the end', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor, runToEnd } = setUpExec();
    const task = leaveLine(file);
    await runToEnd(task);
    expect(await distributor.run(task)).toEqual({
      token: (await distributor.run(task)).token,
      status: succeeded({ stdoutTail: '' }),
    });
    expect(linesOf(file)).toHaveLength(1);
  });
});

describe('cancel', () => {
  test('asks the whole group to end, and kills what is left when its leader has', async () => {
    const { distributor, endOf, directory } = setUpExec();
    const task = shell(LEADER_AND_CHILD);
    const { token } = await distributor.run(task);
    const pids = (await linesIn(join(directory, 'logs', `${token}.log`), 2)).map(Number);
    await distributor.cancel({ executionId: task.executionId, token }, task.quest);
    expect(await endOf(task)).toEqual(abnormal('CANCELLED', expect.any(String)));
    for (const pid of pids) await untilGone(pid);
  });

  test('kills a group that will not end after the grace period, and not before', async () => {
    const clock = manualClock();
    const { distributor, endOf, directory } = setUpExec({ services: { clock }, config: { gracePeriod: '7s' } });
    const task = shell(`trap "echo asked" TERM; ${LEADER_AND_CHILD}; while true; do wait; sleep 0.01; done`);
    const { token } = await distributor.run(task);
    const log = join(directory, 'logs', `${token}.log`);
    const pids = (await linesIn(log, 2)).map(Number);
    await distributor.cancel(task, task.quest);
    await distributor.cancel(task, task.quest);
    clock.advance(6999);
    await linesIn(log, 3);
    for (const pid of pids) expect(await isAlive(pid)).toBe(true);
    expect(await distributor.getStatus({ ...task, token }, task.quest)).toEqual({ state: 'running' });
    clock.advance(1);
    expect(await endOf(task)).toEqual(abnormal('CANCELLED', expect.any(String)));
    for (const pid of pids) await untilGone(pid);
    expect(linesOf(log)).toHaveLength(3);
  });

  test('lets a command end in its own way', async () => {
    const { distributor, endOf, directory } = setUpExec();
    const task = shell('trap "echo goodbye; exit 0" TERM; echo ready; while true; do sleep 0.01; done');
    const { token } = await distributor.run(task);
    const log = join(directory, 'logs', `${token}.log`);
    await linesIn(log, 1);
    await distributor.cancel(task, task.quest);
    expect(await endOf(task)).toEqual(abnormal('CANCELLED', expect.any(String)));
    expect(linesOf(log)).toContain('goodbye');
  });

  test('before run keeps the command from ever running', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor } = setUpExec();
    const task = leaveLine(file);
    await distributor.cancel(task, task.quest);
    await distributor.cancel(task, task.quest);
    expect((await distributor.run(task)).status).toEqual(abnormal('CANCELLED', expect.any(String)));
    expect(linesOf(file)).toEqual([]);
  });

  test('during run keeps the command from ever running', async () => {
    const file = join(temporaryDirectory(), 'ran');
    const { distributor, endOf } = setUpExec();
    const task = leaveLine(file);
    const started = distributor.run(task);
    await distributor.cancel(task, task.quest);
    await started;
    expect(await endOf(task)).toEqual(abnormal('CANCELLED', expect.any(String)));
    expect(linesOf(file)).toEqual([]);
  });

  test('that cannot know whether it came in time fails, so that it is repeated', async () => {
    const { distributor } = setUpExec();
    const task = execution(['true'], { cwd: '/no/such/directory' });
    const started = distributor.run(task).catch(() => undefined);
    await expect(distributor.cancel(task, task.quest)).rejects.toThrow('cwd');
    await started;
    await distributor.cancel(task, task.quest);
    expect((await distributor.run(task)).status).toEqual(abnormal('CANCELLED', expect.any(String)));
  });
});

describe('close', () => {
  test('stops what runs, records that, and starts nothing any more', async () => {
    const { type, distributor, endOf, directory, services } = setUpExec();
    const task = shell(LEADER_AND_CHILD);
    const { token } = await distributor.run(task);
    const pids = (await linesIn(join(directory, 'logs', `${token}.log`), 2)).map(Number);
    await type.close();
    for (const pid of pids) await untilGone(pid);
    expect(await endOf(task)).toEqual(abnormal('CRASHED', 'the stack was stopped'));
    const error: unknown = await distributor.run(execution(['true'])).catch((thrown: unknown) => thrown);
    expect(isTransient(error)).toBe(true);
    expect((await services.documents.list({ limit: 10 })).items).toHaveLength(1);
  });

  test('kills what will not stop', async () => {
    const clock = manualClock();
    const { type, distributor, endOf, directory } = setUpExec({ services: { clock } });
    const task = shell('trap "" TERM; echo ready; while true; do sleep 0.01; done');
    const { token } = await distributor.run(task);
    await linesIn(join(directory, 'logs', `${token}.log`), 1);
    const closed = type.close();
    clock.advance(5000);
    await closed;
    expect(await endOf(task)).toEqual(abnormal('CRASHED', 'the stack was stopped'));
  });
});

describe('a config', () => {
  const { configSchema } = createExecType({ directory: '/', environment: {} });
  const parse = (config: unknown) => parseWith(configSchema, config, 'config');

  test('may say nothing', () => {
    expect(parse({})).toEqual({});
  });

  test.each<[object, string]>([
    [{ gracePeriod: 'soon' }, 'config.gracePeriod'],
    [{ gracePeriod: '3601s' }, 'config.gracePeriod'],
    [{ gracePeriod: 5 }, 'config.gracePeriod'],
    [{ env: { A: 1 } }, 'config.env.A'],
    [{ env: { 'A B': '' } }, 'config.env.A B'],
    [{ env: { EXECUTION_ID: '' } }, 'config.env.EXECUTION_ID'],
    [{ shell: true }, 'config'],
  ])('%j is refused', (config, field) => {
    expect(() => parse(config)).toThrow(expect.objectContaining({ name: 'InvalidArgument', field }));
  });
});
