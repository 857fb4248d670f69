import { z } from 'zod';
import { askSchema, instantSchema, numberSchema, SCHEMA_VERSION } from './attempt.ts';
import {
  type AttemptId,
  type EdgeId,
  edgeId,
  executionId,
  isAttemptId,
  parseAttemptId,
  type WaitId,
  waitId,
} from './ids.ts';

const attemptIdSchema = z.custom<AttemptId>(
  value => typeof value === 'string' && isAttemptId(value),
  'must be an attempt id',
);

/**
 * That one attempt, the dependent, has asked for another, its dependency. There is one for each pair, of the last time that
 * it was asked for.
 */
export const edgeSchema = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  revision: z.int().min(1),
  createdAt: instantSchema,
  updatedAt: instantSchema,
  dependent: attemptIdSchema,
  dependency: attemptIdSchema,
  /** The execution of the dependent that asked, and its how-manieth ask this was. */
  execution: numberSchema,
  ask: askSchema,
  /** How many dependencies of that ask may remain unsettled when the dependent goes on; 0 when it waits for all of them. */
  spare: z.int().min(0),
  /** Until the dependency is known to be over. */
  open: z.boolean(),
  /** The ask would have closed a cycle and was refused: this is no dependency. */
  withdrawn: z.literal(true).optional(),
});
export type Edge = z.infer<typeof edgeSchema>;

export function idOfEdge({ dependent, dependency }: Pick<Edge, 'dependent' | 'dependency'>): EdgeId {
  return edgeId(dependent, dependency);
}

/** What an edge is counted for as long as it is open. */
export function waitOfEdge({ dependent, execution, ask }: Edge): WaitId {
  const { quest, attempt } = parseAttemptId(dependent);
  return waitId(executionId(quest, attempt, execution), ask);
}

/** Whose edges are meant: a dependent's, a dependency's, or the open ones of a wait. */
export type EdgeFilter = { dependent: AttemptId } | { dependency: AttemptId } | { wait: WaitId };

export function isEdgeOf(edge: Edge, of: EdgeFilter): boolean {
  if ('wait' in of) return edge.open && waitOfEdge(edge) === of.wait;
  return 'dependent' in of ? edge.dependent === of.dependent : edge.dependency === of.dependency;
}
