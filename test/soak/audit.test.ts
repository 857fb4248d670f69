import { describe, expect, test } from 'vitest';
import { attemptId, executionId, questId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/core/json.ts';
import { abnormal, type TaskResult } from '../../shared/core/result.ts';
import { audit, CHECK_NAMES, type CheckName, type Facts } from '../../soak/audit.ts';
import type { ShownAttempt, ShownExecution } from '../../soak/client.ts';
import type { End, KindName } from '../../soak/kinds.ts';
import { createLedger, type Ledger } from '../../soak/ledger.ts';
import { createRecord, type JobRecord } from '../../soak/work.ts';

/** The facts of one attempt of each of some kinds, all of which ended well; a test then doctors them. */
function goodWorld() {
  const ledger = createLedger();
  const attempts = new Map<ReturnType<typeof attemptId>, ShownAttempt>();
  const jobs = new Map<ReturnType<typeof executionId>, JobRecord>();

  function add(kind: KindName, letter: string, ends: readonly End[], foretold?: JsonObject) {
    const quest = questId(letter.repeat(43));
    const id = attemptId(quest, 1);
    const executions = ends.map((end, i): ShownExecution => {
      const execution = executionId(quest, 1, i + 1);
      const data = { execution, receipt: 'r' };
      const record: JobRecord = { ...createRecord(), starts: 1, end: { data } };
      if (end === 'FINISHED') record.completions.push(data);
      if (foretold === undefined) jobs.set(execution, record);
      return { execution: i + 1, distributor: {}, ...ended(end, data) };
    });
    const last = executionId(quest, 1, ends.length);
    const end =
      foretold === undefined ? ended(ends.at(-1)!, { execution: last, receipt: 'r' }) : ended('FINISHED', foretold);
    const attempt: ShownAttempt = { quest, attempt: 1, ...end, executions };
    attempts.set(id, attempt);
    ledger.entries.set(id, { kind, acknowledged: true, ...(foretold && { foretold }) });
    return { id, last, attempt, execution: executions.at(-1)!, job: jobs.get(last)! };
  }

  const called = add('answers by callback', 'c', ['FINISHED']);
  const flaky = add('succeeds the third time', 'f', ['FAILED', 'FAILED', 'FINISHED']);
  const command = add('long command', 'l', ['CRASHED', 'CRASHED', 'FINISHED']);
  const phrase = add('phrase', 'p', ['FINISHED'], { success: true, value: '7' });
  const interactive = add('takes part twice', 't', ['FINISHED']);
  const given = { execution: interactive.last, receipt: 'of the attempt' };
  interactive.job.activations.push('token');
  interactive.job.finishes.push(given);
  interactive.attempt.result = { data: given };
  for (const attempt of attempts.values()) ledger.see(structuredClone(attempt));

  const owed: { id: string; why: string }[] = [];
  const misdeeds: { id: string; why: string }[] = [];
  return { ledger, attempts, jobs, owed, misdeeds, called, flaky, command, phrase, interactive };
}

function ended(end: End, data: JsonObject): { state: 'FINISHED' | 'ABNORMAL_FINISHED'; result: TaskResult } {
  return end === 'FINISHED'
    ? { state: 'FINISHED', result: { data } }
    : { state: 'ABNORMAL_FINISHED', result: abnormal(end, 'because') };
}

type World = ReturnType<typeof goodWorld>;

/** A result is shown as it was from the beginning. */
function showAs(ledger: Ledger, id: World['called']['id'] | World['called']['last'], result: TaskResult): void {
  ledger.seen.set(id, result);
}

test('a world in which all ended well passes', () => {
  expect(audit(goodWorld())).toEqual([]);
});

const DOCTORED: readonly (readonly [what: string, check: CheckName, doctor: (world: World) => string])[] = [
  [
    'an acknowledged attempt that is not there',
    'lost',
    ({ attempts, ledger, jobs, called }) => {
      attempts.delete(called.id);
      ledger.seen.clear();
      jobs.delete(called.last);
      return called.id;
    },
  ],
  [
    'an attempt that is not over',
    'lost',
    ({ ledger, called: { id, attempt } }) => {
      delete attempt.result;
      attempt.state = 'EXECUTING';
      ledger.seen.delete(id);
      return id;
    },
  ],
  [
    'an execution that is not over',
    'lost',
    ({ ledger, command: { attempt, id } }) => {
      delete attempt.executions[0]!.result;
      ledger.seen.clear();
      return `${id}|1`;
    },
  ],
  [
    'a gap in the numbers of executions',
    'lost',
    ({ ledger, flaky: { attempt, id } }) => {
      attempt.executions.splice(1, 1);
      ledger.seen.clear();
      return id;
    },
  ],
  [
    'an execution that only its executor knows',
    'lost',
    ({ jobs, called }) => {
      const id = executionId(questId(called.attempt.quest), 1, 2);
      jobs.set(id, { ...createRecord(), end: { data: {} } });
      return id;
    },
  ],
  [
    'an attempt that nobody asked for',
    'unknown',
    ({ ledger, called: { id } }) => {
      ledger.entries.delete(id);
      return id;
    },
  ],
  [
    'an execution that ran to completion twice',
    'completed twice',
    ({ called: { job, last } }) => {
      job.completions.push({ another: true });
      return last;
    },
  ],
  [
    'a command that was begun twice for one execution',
    'completed twice',
    ({ command: { job, last } }) => {
      job.starts += 1;
      return last;
    },
  ],
  [
    'an activation by two jobs',
    'completed twice',
    ({ interactive: { job, last } }) => {
      job.activations.push('another token');
      return last;
    },
  ],
  [
    'a result that was accepted twice',
    'completed twice',
    ({ interactive: { job, last } }) => {
      job.finishes.push(job.finishes[0]!);
      return last;
    },
  ],
  [
    'an attempt with two executions that ran to completion',
    'completed twice',
    ({ jobs, flaky: { id, attempt } }) => {
      jobs.get(executionId(questId(attempt.quest), 1, 1))!.completions.push({});
      return id;
    },
  ],
  [
    'an attempt with two successful executions',
    'completed twice',
    ({ ledger, jobs, command: { id, attempt } }) => {
      const execution = executionId(questId(attempt.quest), 1, 1);
      const data = { execution };
      jobs.get(execution)!.completions.push(data);
      Object.assign(attempt.executions[0]!, ended('FINISHED', data));
      showAs(ledger, execution, { data });
      return id;
    },
  ],
  [
    'an attempt with an end that its kind cannot have',
    'wrong end',
    ({ ledger, phrase: { id, attempt } }) => {
      Object.assign(attempt, ended('EXPIRED', {}));
      showAs(ledger, id, abnormal('EXPIRED', 'because'));
      return id;
    },
  ],
  [
    'an execution that crashed although no kill can touch its job',
    'wrong end',
    ({ ledger, flaky: { id, attempt } }) => {
      const first = attempt.executions[0]!;
      Object.assign(first, ended('CRASHED', {}));
      showAs(ledger, executionId(questId(attempt.quest), 1, 1), first.result!);
      return id;
    },
  ],
  [
    'a result that its executor never gave',
    'wrong result',
    ({ ledger, called: { id, last, execution } }) => {
      execution.result = { data: { invented: true } };
      showAs(ledger, last, execution.result);
      return `${id}|1`;
    },
  ],
  [
    'a result of the attempt that nobody gave',
    'wrong result',
    ({ ledger, phrase: { id, attempt } }) => {
      attempt.result = { data: { success: true, value: '8' } };
      showAs(ledger, id, attempt.result);
      return id;
    },
  ],
  [
    'an accepted result that does not stand',
    'wrong result',
    ({ interactive: { id, job } }) => {
      job.finishes[0] = { what: 'the job was told is accepted' };
      return id;
    },
  ],
  [
    'a result that changed after it was seen',
    'changed result',
    ({ ledger, called: { last } }) => {
      showAs(ledger, last, abnormal('CRASHED', 'before'));
      return last;
    },
  ],
  [
    'a document that is still owed something',
    'still owed',
    ({ owed, called: { last } }) => {
      owed.push({ id: last, why: 'has a wakeAt' });
      return last;
    },
  ],
  [
    'a job that is still being stopped',
    'still owed',
    ({ called: { id, execution } }) => {
      execution.stoppingJobs = [{ abandoned: false }];
      return `${id}|1`;
    },
  ],
  [
    'a job that lives on at its executor',
    'still alive',
    ({ called: { job, last } }) => {
      delete job.end;
      return last;
    },
  ],
  [
    'a call that was refused',
    'refused',
    ({ ledger, called: { id } }) => {
      ledger.refusals.push({ id, why: '404' });
      return id;
    },
  ],
  [
    'a life of the stack that ended by itself',
    'bad life',
    ({ misdeeds }) => {
      misdeeds.push({ id: 'process 1', why: 'ended by itself' });
      return 'process 1';
    },
  ],
];

describe('the audit names', () => {
  test.each(DOCTORED)('%s: %s', (_, check, doctor) => {
    const world = goodWorld();
    const id = doctor(world);
    expect(audit(world).filter(problem => problem.check === check)).toContainEqual(expect.objectContaining({ id }));
  });

  test('something in each of its checks', () => {
    expect(new Set(DOCTORED.map(([, check]) => check))).toEqual(new Set(CHECK_NAMES));
  });
});

describe('the audit takes as right', () => {
  const quiet = (doctor: (world: World) => void) => {
    const world: World & Facts = goodWorld();
    doctor(world);
    return audit(world);
  };

  test('a submission that was never acknowledged and does not exist', () => {
    const doctor = ({ ledger }: World) =>
      void ledger.entries.set(attemptId(questId('x'.repeat(43)), 1), { kind: 'fails', acknowledged: false });
    expect(quiet(doctor)).toEqual([]);
  });

  test('a command that had written its last line when it died with the stack', () => {
    const doctor = ({ jobs, command: { attempt } }: World) =>
      void jobs.get(executionId(questId(attempt.quest), 1, 1))!.completions.push({ lost: true });
    expect(quiet(doctor)).toEqual([]);
  });
});
