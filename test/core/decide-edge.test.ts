import { describe, expect, test } from 'vitest';
import {
  type Asking,
  decideEdge,
  decideReopen,
  decideSettle,
  decideWithdraw,
} from '../../shared/core/decide/depend.ts';
import { type Edge, edgeSchema, idOfEdge, isEdgeOf, waitOfEdge } from '../../shared/core/edge.ts';
import { ApiError } from '../../shared/core/errors.ts';
import { attemptId, executionId, waitId } from '../../shared/core/ids.ts';
import { CREATED_AT, questFixture } from '../support/documents.ts';

const NOW = CREATED_AT + 5000;
const quest = questFixture().id;
const [dependent, dependency] = [attemptId(quest, 1), attemptId(quest, 2)];

/** As the `ask`-th ask of the dependent's `execution`-th execution. */
function asking(execution: number, ask: number, spare = 0): Asking {
  return { dependent, execution, ask, spare };
}

const asked = (execution: number, ask: number) => decideEdge(undefined, dependency, asking(execution, ask), CREATED_AT);
const settled = (execution: number, ask: number) => decideSettle(asked(execution, ask), CREATED_AT);
const withdrawn = (execution: number, ask: number) => decideWithdraw(asked(execution, ask), CREATED_AT);

/** What a decision makes of an edge: `as it was`, whose it is now, or the status of the error. */
function outcomeOf(decide: typeof decideEdge, before: Edge | undefined, by: Asking): string {
  try {
    const after = decide(before && Object.freeze(before), dependency, Object.freeze(by), NOW);
    expect(edgeSchema.parse(after)).toEqual(after);
    if (after === before) return 'as it was';
    expect(after).toMatchObject({
      dependent,
      dependency,
      spare: by.spare,
      open: true,
      revision: (before?.revision ?? 0) + 1,
      createdAt: before?.createdAt ?? NOW,
      updatedAt: NOW,
    });
    expect(after).not.toHaveProperty('withdrawn');
    // A commit whose answer was lost is recognised.
    expect(decide(after, dependency, by, NOW + 1)).toBe(after);
    return `open for ${after.execution}.${after.ask}`;
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
}

describe('the edge to what is asked for', () => {
  test.each([
    ['new', undefined, asking(3, 2), 'open for 3.2'],
    ['of this ask', asked(1, 1), asking(1, 1), 'as it was'],
    ['of an earlier ask', asked(1, 1), asking(1, 2), 'open for 1.2'],
    ['of an earlier execution, however often that asked', asked(1, 7), asking(2, 1), 'open for 2.1'],
    ['of a later ask', asked(1, 2), asking(1, 1), 'ABORTED'],
    ['of a later execution', asked(2, 1), asking(1, 7), 'ABORTED'],
    ['settled in this ask', settled(1, 1), asking(1, 1), 'as it was'],
    ['settled before', settled(1, 1), asking(2, 1), 'as it was'],
    ['settled since', settled(2, 1), asking(1, 1), 'as it was'],
    ['withdrawn by this ask, which is made again', withdrawn(1, 1), asking(1, 1), 'open for 1.1'],
    ['withdrawn by an earlier ask', withdrawn(1, 1), asking(1, 2), 'open for 1.2'],
    ['withdrawn by a later ask', withdrawn(1, 2), asking(1, 1), 'ABORTED'],
    ['withdrawn by a later execution', withdrawn(2, 1), asking(1, 2), 'ABORTED'],
  ])('%s', (_, before, by, outcome) => {
    expect(outcomeOf(decideEdge, before, by)).toBe(outcome);
  });

  test('says how many may remain, by the last ask', () => {
    expect(decideEdge(asked(1, 1), dependency, asking(1, 2, 4), NOW)).toMatchObject({ spare: 4 });
  });
});

describe('the edge to what was over, and has a new life', () => {
  test.each([
    ['settled', settled(1, 1), asking(1, 1), 'open for 1.1'],
    ['settled before', settled(1, 1), asking(2, 3), 'open for 2.3'],
    ['deleted, too', undefined, asking(2, 1), 'open for 2.1'],
    ['opened again already', asked(2, 1), asking(2, 1), 'as it was'],
    ['opened again by a later ask', asked(2, 2), asking(2, 1), 'ABORTED'],
    ['withdrawn meanwhile', withdrawn(1, 1), asking(2, 1), 'open for 2.1'],
  ])('%s', (_, before, by, outcome) => {
    expect(outcomeOf(decideReopen, before, by)).toBe(outcome);
  });
});

describe('an edge whose dependency is over', () => {
  test('is settled, and stays whose it was', () => {
    const open = Object.freeze(asked(2, 3));
    expect(decideSettle(open, NOW)).toEqual({ ...open, open: false, revision: 2, updatedAt: NOW });
  });

  test.each([
    ['settled', settled(1, 1)],
    ['withdrawn', withdrawn(1, 1)],
  ])('that is %s already is left as it is', (_, edge) => {
    expect(decideSettle(edge, NOW)).toBe(edge);
  });
});

describe('an edge that is withdrawn', () => {
  test('is closed, and says why', () => {
    const open = Object.freeze(asked(2, 3));
    const after = decideWithdraw(open, NOW);
    expect(after).toEqual({ ...open, open: false, withdrawn: true, revision: 2, updatedAt: NOW });
    expect(edgeSchema.parse(after)).toEqual(after);
  });
});

describe('what an edge is counted for', () => {
  const edge = asked(3, 2);
  const wait = waitId(executionId(quest, 1, 3), 2);

  test('is the wait of its ask, as long as it is open', () => {
    expect(waitOfEdge(edge)).toBe(wait);
    expect(isEdgeOf(edge, { wait })).toBe(true);
    expect(isEdgeOf(decideSettle(edge, NOW), { wait })).toBe(false);
    expect(isEdgeOf(decideWithdraw(edge, NOW), { wait })).toBe(false);
    for (const [execution, ask] of [
      [3, 1],
      [2, 2],
    ] as const)
      expect(isEdgeOf(edge, { wait: waitOfEdge(asked(execution, ask)) })).toBe(false);
  });

  test.each([edge, decideSettle(edge, NOW), decideWithdraw(edge, NOW)])(
    'never changes whose it is (open: $open)',
    one => {
      expect(idOfEdge(one)).toBe(idOfEdge(edge));
      expect(isEdgeOf(one, { dependent })).toBe(true);
      expect(isEdgeOf(one, { dependency })).toBe(true);
      expect(isEdgeOf(one, { dependent: dependency })).toBe(false);
      expect(isEdgeOf(one, { dependency: dependent })).toBe(false);
    },
  );
});
