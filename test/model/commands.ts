import fc from 'fast-check';
import { expect } from 'vitest';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { GOOD_MOODS, MOODS } from './executor.ts';
import type { Model } from './model.ts';
import type { Order, System } from './system.ts';
import { nextDeadline, overdue, viewOf, type Word } from './world.ts';

type Command = fc.AsyncCommand<Model, System>;

/** After every command both sides must say the same. */
export async function agree(model: Model, system: System): Promise<void> {
  expect(model.complaints).toEqual([]);
  for (const [n, attempt] of model.attempts) expect(await system.view(n)).toEqual(viewOf(attempt));
}

function command(name: string, act: (system: System) => unknown, check: Command['check'] = () => true): Command {
  return {
    check,
    async run(model, system) {
      await act(system);
      await agree(model, system);
    },
    toString: () => name,
  };
}

/** How far back from the newest attempt, or from an attempt's current execution. */
const backs = fc.constantFrom(0, 0, 0, 0, 1);
const words = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Word>('running') },
  { weight: 2, arbitrary: fc.constantFrom<Word>('pending', 'unreadable') },
  { weight: 2, arbitrary: fc.constantFrom<Word>(1, 2, 'FAILED', 'CRASHED', 'PREEMPTED', 'CANCELLED') },
);
/** What an executor says when it is asked. */
const states = words.map(word => (word === 'unreadable' ? 'pending' : word));
const callers = fc.constantFrom('job', 'job', 'job', 'stranger');

/** Something that happens to one execution. */
function onExecution<T>(
  givens: fc.Arbitrary<T>,
  describe: (given: T) => string,
  act: (system: System, n: number, e: number, given: T) => unknown,
): fc.Arbitrary<Command> {
  return fc.tuple(backs, backs, givens).map(([attemptsBack, executionsBack, given]) => {
    const target = ({ attempts }: Readonly<Model>): [n: number, e: number] => {
      const n = attempts.size - attemptsBack;
      return [n, (attempts.get(n)?.executions.length ?? 0) - executionsBack];
    };
    return command(
      `${describe(given)}${attemptsBack > 0 ? ', attempt before' : ''}${executionsBack > 0 ? ', execution before' : ''}`,
      system => act(system, ...target(system.model), given),
      model => target(model)[1] >= 1,
    );
  });
}

const submit = fc
  .constantFrom(true, true, false)
  .map(isNew =>
    command(isNew ? 'submit another attempt' : 'submit the newest attempt again', system =>
      system.submit(Math.max(1, system.model.attempts.size + (isNew ? 1 : 0))),
    ),
  );

const cancel = fc.constant(
  command(
    'cancel the newest attempt',
    system => system.cancel(system.model.attempts.size),
    model => model.attempts.size > 0,
  ),
);

const notify = onExecution(
  fc.array(words, { minLength: 1, maxLength: 3 }),
  given => `the executor notifies ${given.join(', then ')}`,
  async (system, n, e, given) => {
    for (const word of given) await system.notify(n, e, word);
  },
);

const becomes = onExecution(
  states,
  word => `the job becomes ${word}`,
  ({ executor: { jobs }, executionId }, n, e, word) => jobs.has(executionId(n, e)) && jobs.set(executionId(n, e), word),
);

const activate = onExecution(
  callers,
  by => `the ${by} activates`,
  async (system, n, e, by) => expectAnswer(await system.activate(n, e, by)),
);

const finish = onExecution(
  fc.tuple(callers, fc.constantFrom(3, 3, 4)),
  ([by, result]) => `the ${by} finishes with ${result}`,
  async (system, n, e, [by, result]) => expectAnswer(await system.finish(n, e, by, result)),
);

function expectAnswer([answer, expected]: [answer: string, expected: string]): void {
  expect(answer).toBe(expected);
}

const startsAs = fc
  .constantFrom<Word>('pending', 'pending', 'running', 1, 'FAILED')
  .map(word => command(`new jobs are ${word}`, ({ executor }) => (executor.firstWord = word)));

function moodOf(call: keyof typeof MOODS): fc.Arbitrary<Command> {
  return fc
    .constantFrom(...MOODS[call])
    .map(mood =>
      command(`from now on ${call} ${mood}`, ({ executor }) => Object.assign(executor.moods, { [call]: mood })),
    );
}

const restart = fc
  .boolean()
  .map(recovers => command(`restart${recovers ? ' and recover' : ''}`, system => system.restart(recovers)));

async function restFully(system: System, order?: Order): Promise<void> {
  await system.rest(order);
  expect(overdue(system.model.attempts, system.clock.now())).toEqual([]);
}

const rest = fc
  .record({ newestFirst: fc.boolean(), twice: fc.boolean() })
  .map(order =>
    command(`rest${order.newestFirst ? ', newest first' : ''}${order.twice ? ', everything twice' : ''}`, system =>
      restFully(system, order),
    ),
  );

const STEPS: [name: string, weight: number, until: (system: System) => number][] = [
  ['to the next wake-up', 4, ({ nextWakeAt }) => nextWakeAt()],
  ['past the next deadline', 3, ({ model }) => nextDeadline(model.attempts) + 1],
  ['by a second', 2, ({ clock }) => clock.now() + SECOND_MS],
  ['by half a minute', 2, ({ clock }) => clock.now() + 30 * SECOND_MS],
  ['by two minutes', 2, ({ clock }) => clock.now() + 2 * MINUTE_MS],
  ['by 8 days', 1, ({ clock }) => clock.now() + 8 * 24 * HOUR_MS],
];

const pass = fc
  .oneof(...STEPS.map(step => ({ weight: step[1], arbitrary: fc.constant(step) })))
  .map(([name, , until]) => command(`time passes ${name}`, system => advanceTo(system, until(system))));

function advanceTo({ clock }: System, at: number): void {
  if (Number.isFinite(at)) clock.advance(Math.max(0, at - clock.now()));
}

/** In short steps. All of them together stay below the seven days after which a job is given up on. */
const hours = fc.constant(
  command('2 hours go by', async system => {
    const until = system.clock.now() + 2 * HOUR_MS;
    while (system.clock.now() < until) {
      advanceTo(system, Math.min(until, system.nextWakeAt()));
      await restFully(system);
    }
  }),
);

const ALWAYS = [submit, pass, pass, rest, rest];
const SOMETIMES = [
  ...[notify, notify, becomes, activate, activate, finish, finish, cancel],
  ...[startsAs, moodOf('run'), moodOf('run'), moodOf('getStatus'), moodOf('cancel'), restart, hours],
];

/** Each run leaves some out: what ends an execution at once hides what could happen to one that goes on. */
export const COMMANDS = fc
  .subarray(SOMETIMES)
  .chain(some => fc.commands([...ALWAYS, ...some], { maxCommands: 80, size: 'max' }));

/** From now on everything goes well: all of it ends, and nothing is owed. */
export async function comeToRest(model: Model, system: System): Promise<void> {
  const { moods, jobs } = system.executor;
  Object.assign(moods, GOOD_MOODS);
  system.executor.firstWord = 1;
  for (const [id, word] of jobs) if (word === 'pending' || word === 'running') jobs.set(id, 1);
  for (let rests = 0; Number.isFinite(system.nextWakeAt()); rests++) {
    if (rests > 200) throw new Error('something is owed for ever');
    advanceTo(system, system.nextWakeAt());
    await restFully(system);
    await agree(model, system);
  }
  for (const { state } of model.attempts.values()) expect(state).toMatch(/FINISHED$/);
}
