import { type Attempt, idOfAttempt } from '../../shared/core/attempt.ts';
import { type Edge, idOfEdge } from '../../shared/core/edge.ts';
import { type Execution, idOfExecution } from '../../shared/core/execution.ts';
import type { Documents, Kind } from '../../shared/core/ports.ts';
import { abnormal } from '../../shared/core/result.ts';
import type { AskMade, Events, Facts } from '../../simulate/invariants/invariant.ts';
import type { Change } from '../../simulate/store.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

/** An event, and the facts at that time. */
export interface Case<K extends keyof Events = keyof Events> {
  on: K;
  event: Events[K];
  facts?: Partial<Facts>;
}

const OTHER = questFixture({ parameters: { text: 'the other one' } }).id;
const WAIT = { execution: 1, ask: 1, spare: 0 };

const waiting = attemptIn('WAITING', { wait: WAIT });
const counting = attemptIn('WAITING', { wait: WAIT, uncounted: true, wakeAt: CREATED_AT });
const goneOn = attemptIn('SCHEDULING', { executions: 1, revision: 2 });
const own = idOfAttempt(waiting);
const asked = attemptIn('EXECUTING', { quest: OTHER, awaited: true, rank: 1 });
const owes = { nextAt: CREATED_AT, tell: {} };
const overOwing = attemptIn('FINISHED', { quest: OTHER, awaited: true, rank: 1, owes, wakeAt: CREATED_AT });
const told = attemptIn('FINISHED', { quest: OTHER, awaited: true, rank: 1, revision: 2 });
const other = idOfAttempt(asked);
const halted = executionIn('FINISHED', {
  mode: 'interactive',
  result: { data: { left: 1 } },
  halt: { tokenHash: 'T'.repeat(43), callHash: 'C'.repeat(43) },
});
const id = idOfExecution(halted);

const edge: Edge = {
  schemaVersion: 1,
  revision: 1,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
  dependent: own,
  dependency: other,
  ...WAIT,
  open: true,
};
const settled: Edge = { ...edge, open: false, revision: 2 };

/** A world of these documents. */
function having(...docs: (Attempt | Execution | Edge)[]): Pick<Facts, 'get' | 'all'> {
  const named = docs.map((doc): { kind: Kind; id: string; doc: unknown } =>
    'open' in doc
      ? { kind: 'edge', id: idOfEdge(doc), doc }
      : 'launch' in doc
        ? { kind: 'execution', id: idOfExecution(doc), doc }
        : { kind: 'attempt', id: idOfAttempt(doc), doc },
  );
  return {
    get: (kind, wanted) => named.find(one => one.kind === kind && one.id === wanted)?.doc as never,
    all: kind => named.filter(one => one.kind === kind).map(({ doc }) => doc) as never,
  };
}

function wrote<K extends 'attempt' | 'edge'>(
  kind: K,
  before: Documents[K] | undefined,
  after: Documents[K],
  facts: Partial<Facts> = {},
): Case {
  const name = kind === 'edge' ? idOfEdge(after as Edge) : idOfAttempt(after as Attempt);
  return { on: 'written', event: { kind, id: name, after, ...(before && { before }) } as unknown as Change, facts };
}

const BODY = { quests: [] };
const madeAsk = (ask: Partial<AskMade> = {}): Pick<Facts, 'asks'> => ({
  asks: () => new Map([[JSON.stringify(BODY), { wanted: [other], needed: 1, overBefore: 0, ...ask }]]),
});

function hears(shouldHalt: boolean, facts: Partial<Facts>, more: Partial<Events['job answered']> = {}): Case {
  const quests = { [OTHER]: { attempts: { 1: { result: { data: { another: true } } } } } };
  const answer = { status: 200, body: { shouldHalt, graph: { quests } } };
  const call = { operation: 'ensureGraphData', id, body: BODY, right: 'holds', answer } as const;
  return { on: 'job answered', event: { ...call, ...more }, facts };
}

/** It was cancelled together with what had waited for it. */
const cascaded = attemptIn('ABNORMAL_FINISHED', {
  quest: OTHER,
  revision: 2,
  result: abnormal('CANCELLED', 'nobody waits for it'),
});
const cancelled = attemptIn('ABNORMAL_FINISHED', {
  result: abnormal('CANCELLED', 'unwanted'),
  owes: { nextAt: CREATED_AT, cascade: {} },
});
const { owes: _, ...cancelledAndDone } = { ...cancelled, revision: 2 };
const openAtEnd = () => [idOfEdge(edge)];

export const BROKEN_OF_GRAPHS: Record<string, Case> = {
  'open edges are settled': wrote('attempt', overOwing, told, having(waiting, told, edge)),
  'waiting ends': wrote('attempt', counting, waiting, having(waiting, told, settled)),
  'nobody goes on too early': wrote('attempt', waiting, goneOn, { ...having(goneOn, asked, edge), ...madeAsk() }),
  'a wait is for what was asked': wrote('attempt', attemptIn('EXECUTING'), waiting, {
    ...having(waiting, asked, edge),
    ...madeAsk({ needed: 0 }),
  }),
  'one execution for each wait': wrote('attempt', attemptIn('EXECUTING'), counting, having(executionIn('STOPPING'))),
  'ranks never fall': wrote('attempt', asked, { ...asked, rank: 0, revision: 2 }),
  'ranks rise along waits': wrote('attempt', asked, asked, having(waiting, edge, { ...asked, rank: 0 })),
  'nobody waits for himself': wrote(
    'edge',
    undefined,
    edge,
    having(waiting, attemptIn('WAITING', { quest: OTHER, wait: WAIT, awaited: true, rank: 1 }), edge, {
      ...edge,
      dependent: other,
      dependency: own,
    }),
  ),
  'settled means over': wrote('edge', edge, settled, having(waiting, asked, settled)),
  'settled edges stay so': wrote('edge', settled, { ...edge, revision: 3 }, having(told, edge)),
  'ends are told': wrote('attempt', asked, told),
  'telling is not given up': wrote('attempt', overOwing, told, { ...having(edge), openAtEnd }),
  'a cascade spares what is needed': wrote('attempt', asked, cascaded, having(waiting, cascaded, edge)),
  'a cascade reaches what nobody needs': wrote('attempt', cancelled, cancelledAndDone, {
    ...having(cancelledAndDone, asked, edge),
    waitedFor: () => 1,
  }),
  'who goes on has what he needs': hears(false, { ...having(asked), ...madeAsk() }),
  'nobody halts for what is over': hears(true, { ...having(told), ...madeAsk({ overBefore: 1 }) }),
  'halting is stored': hears(true, { ...having(executionIn('RUNNING')), ...madeAsk() }),
  'what is shown is stored': hears(false, { ...having(told), ...madeAsk() }),
  'a halt is told again': hears(false, { ...having(told), ...madeAsk(), haltedBy: () => JSON.stringify(BODY) }),
  'who has halted has no say': hears(false, { ...having(told), ...madeAsk() }, { right: 'is over' }),
  'activation hands over the state': hears(false, having(halted), {
    operation: 'activate',
    id: idOfExecution(executionIn('RUNNING', { execution: 2 })),
    body: { executionToken: 'token' },
  }),
  'the state is that of the last success': {
    on: 'handed over',
    event: { id: idOfExecution(executionIn('RUNNING', { execution: 2 })), before: undefined, bytes: 'these' },
    facts: having(halted),
  },
};

export const FINE_OF_GRAPHS: Record<string, Case> = {
  'an attempt waits for one that will tell it': wrote('edge', undefined, edge, having(waiting, asked, edge)),
  'an attempt is still to count': wrote('edge', edge, settled, having(counting, told, settled)),
  'an attempt is about to be told': wrote('edge', edge, settled, having(waiting, overOwing, settled)),
  'an execution is given what the last one has left': {
    on: 'handed over',
    event: {
      id: idOfExecution(executionIn('RUNNING', { execution: 2 })),
      before: undefined,
      bytes: 'these',
      state: { left: 1 },
    },
    facts: having(halted),
  },
  'a job halts': hears(true, {
    ...having(attemptIn('FINISHED', { quest: OTHER, result: { data: { another: true } } }), halted),
    ...madeAsk(),
    waitedFor: () => 1,
  }),
};
