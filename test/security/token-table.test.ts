import { describe, expect, test } from 'vitest';
import { type EndedExecution, isLive } from '../../shared/core/execution.ts';
import { attemptId, edgeId, parseExecutionId } from '../../shared/core/ids.ts';
import {
  ASKED,
  askFor,
  FINISHED,
  FORGED,
  type Held,
  HELD_STATES,
  type HeldState,
  hold,
  NOT_ASKED,
  RESULT,
} from './held.ts';

/** A JWT as Google signs them for its services: right for the private functions, worth nothing for jobs. */
const GOOGLE_LIKE_JWT = [
  { alg: 'RS256', kid: 'b5f2', typ: 'JWT' },
  { iss: 'https://accounts.google.com', aud: 'https://job.example', email: 'x@p.iam.gserviceaccount.com', exp: 4e9 },
  'signature'.repeat(30),
]
  .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.');

type Bearer = (held: Held) => string | undefined | Promise<string>;
type Whose = keyof Held['executions'];
const WHOSE: readonly Whose[] = ['its', "another execution's", "another attempt's", "another distributor's"];

/** All that somebody may have got hold of. */
const TOKENS: Record<string, Bearer> = {
  none: () => undefined,
  'an empty one': () => '',
  garbage: () => 'x'.repeat(43),
  'a JWT of Google': () => GOOGLE_LIKE_JWT,
  ...Object.fromEntries(
    WHOSE.flatMap((whose): [string, Bearer][] => [
      [`${whose} activation token`, held => held.activationTokenOf(held.executions[whose])],
      [`${whose} execution token`, held => held.executionTokenOf(held.executions[whose])],
      [`${whose} auth token`, held => held.authTokenOf(held.executions[whose])],
    ]),
  ),
  'an auth token of another distributor for it': held => held.authTokenOf(held.target, 'second'),
};

/** Every way in for a token. Each resolves with what was answered. */
const CALLS = {
  'activate, as its job does': (held, token) =>
    statusOf(held, 'activate', token, { executionToken: held.executionTokenOf(held.target) }),
  'activate, with a token of their own': (held, token) =>
    statusOf(held, 'activate', token, { executionToken: 'o'.repeat(43) }),
  'ask, as its job does': (held, token) => statusOf(held, 'ensureGraphData', token, askFor(held.target, ASKED)),
  'ask for something else': (held, token) => statusOf(held, 'ensureGraphData', token, askFor(held.target, NOT_ASKED)),
  'ask for nothing': (held, token) => statusOf(held, 'ensureGraphData', token, { quests: [] }),
  'ask for itself': (held, token) =>
    statusOf(held, 'ensureGraphData', token, askFor(held.target, parseExecutionId(held.target).attempt)),
  'finish, as its job does': (held, token) => statusOf(held, 'finish', token, RESULT),
  'finish, with another result': (held, token) => statusOf(held, 'finish', token, FORGED),
  'notify by URL': (held, token) => statusOf(held, 'notify', token, FINISHED),
  'notify by Pub/Sub': async ({ rig, target }, token) => {
    const attributes = { execution_id: target, ...(token !== undefined && { auth_token: token }) };
    return String((await rig.push({ data: FINISHED, attributes })).body.outcome);
  },
} as const satisfies Record<string, (held: Held, token: string | undefined) => Promise<string>>;
type CallName = keyof typeof CALLS;
const CALL_NAMES = Object.keys(CALLS) as CallName[];

async function statusOf(
  { rig, target }: Held,
  verb: 'activate' | 'ensureGraphData' | 'finish' | 'notify',
  token: string | undefined,
  body: unknown,
) {
  return String((await rig.job(verb, target, { token, body })).status);
}

const REFUSAL: Record<CallName, string> = {
  'activate, as its job does': '401',
  'activate, with a token of their own': '401',
  'ask, as its job does': '401',
  'ask for something else': '401',
  'ask for nothing': '401',
  'ask for itself': '401',
  'finish, as its job does': '401',
  'finish, with another result': '401',
  'notify by URL': '401',
  'notify by Pub/Sub': 'dropped: forged',
};

const TOO_LATE_TO_ACTIVATE = {
  STOPPING: '400',
  HALTED: '400',
  FINISHED: '400',
  ABNORMAL_FINISHED: '400',
  UNATTENDED: '400',
} as const;
/** Only who has shown the token, or had it until it was revoked, is told what is wrong with a request. */
const WRONG = { RUNNING: '400', STOPPING: '400', HALTED: '400', FINISHED: '400' } as const;
/** Publishing costs nothing: what the message is worth is decided where it arrives. */
const PUBLISHED = Object.fromEntries(HELD_STATES.map(state => [state, '202'])) as Record<HeldState, string>;
const OF_ANOTHER_DISTRIBUTOR = {
  ...Object.fromEntries(HELD_STATES.map(state => [state, 'dropped: another distributor'])),
  unknown: 'dropped: unknown execution',
};

/**
 * The whole of what tokens open: call → token → state → answer, with ` → STATE` when something was written. Everything
 * else is refused as above.
 */
const GRANTS: Record<CallName, Record<string, Partial<Record<HeldState, string>>>> = {
  'activate, as its job does': {
    'its activation token': {
      STARTING: '200 → RUNNING',
      SCHEDULING: '200 → RUNNING',
      RUNNING: '200',
      ...TOO_LATE_TO_ACTIVATE,
    },
  },
  'activate, with a token of their own': {
    'its activation token': {
      STARTING: '200 → RUNNING',
      SCHEDULING: '200 → RUNNING',
      RUNNING: '409',
      ...TOO_LATE_TO_ACTIVATE,
    },
  },
  'ask, as its job does': {
    'its execution token': { RUNNING: '200 → STOPPING', HALTED: '200' },
  },
  'ask for something else': {
    'its execution token': { RUNNING: '200 → STOPPING' },
  },
  'ask for nothing': { 'its execution token': WRONG },
  'ask for itself': { 'its execution token': WRONG },
  'finish, as its job does': {
    'its execution token': { RUNNING: '200 → STOPPING', STOPPING: '200', FINISHED: '200' },
  },
  'finish, with another result': {
    'its execution token': { RUNNING: '200 → STOPPING' },
  },
  'notify by URL': {
    'its auth token': PUBLISHED,
    'an auth token of another distributor for it': PUBLISHED,
  },
  'notify by Pub/Sub': {
    'its auth token': {
      STARTING: 'kept → SCHEDULING',
      SCHEDULING: 'finished → ABNORMAL_FINISHED',
      RUNNING: 'finished → ABNORMAL_FINISHED',
      STOPPING: 'finished → FINISHED',
      HALTED: 'finished → FINISHED',
      FINISHED: 'ended already',
      // Kept as evidence beside the result.
      ABNORMAL_FINISHED: 'finished → ABNORMAL_FINISHED',
      UNATTENDED: 'finished → FINISHED',
      unknown: 'dropped: unknown execution',
    },
    'an auth token of another distributor for it': OF_ANOTHER_DISTRIBUTOR,
  },
};

/** Makes a call and says, in the words of the table, what came of it. Whatever it was, it touched nothing else. */
async function outcomeOf(held: Held, call: CallName, token: string | undefined): Promise<string> {
  const { rig, target } = held;
  const before = rig.stored();
  const earlier = await rig.execution(target);
  const answer = await CALLS[call](held, token);
  const after = rig.stored();
  expect(rig.messages.splice(0)).toHaveLength(answer === '202' ? 1 : 0);
  if (JSON.stringify(after) === JSON.stringify(before)) return answer;

  const { quest, attempt } = parseExecutionId(target);
  const own = attemptId(quest, attempt);
  const asked = [ASKED, NOT_ASKED].map(number => attemptId(quest, number));
  for (const id of [target, own, ...asked, ...asked.map(dependency => edgeId(own, dependency))]) {
    delete before[id];
    delete after[id];
  }
  expect(after).toEqual(before);
  const later = await rig.execution(target);
  if (earlier !== undefined && !isLive(earlier)) {
    expect(later).toMatchObject({ state: earlier.state, result: earlier.result });
    expect((later as EndedExecution).lateOutcome).toEqual(FORGED);
  }
  return `${answer} → ${later?.state}`;
}

describe.each(HELD_STATES)('when an execution is %s', state => {
  test.each(CALL_NAMES)('to %s takes the token for it, and no other', async call => {
    const granted = Object.entries(GRANTS[call]).filter(([, states]) => states[state] !== undefined);
    const held = await hold(state);
    for (const [name, bearer] of Object.entries(TOKENS)) {
      if (granted.some(([token]) => token === name)) continue;
      expect(`${name}: ${await outcomeOf(held, call, await bearer(held))}`).toBe(`${name}: ${REFUSAL[call]}`);
    }
    // Refusals have left the execution as it was: what is granted is granted now.
    for (const [name, states] of granted) {
      const fresh = await hold(state);
      expect(`${name}: ${await outcomeOf(fresh, call, await TOKENS[name]!(fresh))}`).toBe(`${name}: ${states[state]}`);
    }
  });
});

test('the table speaks of tokens that exist', () => {
  const named = Object.values(GRANTS).flatMap(tokens => Object.keys(tokens));
  expect(named.filter(name => !Object.hasOwn(TOKENS, name))).toEqual([]);
});
