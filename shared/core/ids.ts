import { InvalidArgument } from './errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** base64url(SHA-256(canonical description)), 43 characters. */
export type QuestId = Branded<'QuestId'>;
/** `quest|n`: what a client asked for the n-th time. */
export type AttemptId = Branded<'AttemptId'>;
/** `quest|n|e`: the e-th time that attempt was handed to an executor. */
export type ExecutionId = Branded<'ExecutionId'>;
/** `dependency<dependent`: that one attempt has asked for another. */
export type EdgeId = Branded<'EdgeId'>;
/** `distributor#use-number`: one of the slots of a distributor. */
export type SlotId = Branded<'SlotId'>;
/** `quest|n|e|a`: what an execution's a-th ask waits for. */
export type WaitId = Branded<'WaitId'>;

/** Numbers of attempts and executions; large enough for anybody, small enough for every store. */
export const MAX_NUMBER = 2_147_483_647;

const QUEST = /^[A-Za-z0-9_-]{43}$/;

export function isQuestId(text: string): text is QuestId {
  return QUEST.test(text);
}

export function questId(text: string, field = 'quest'): QuestId {
  if (!isQuestId(text)) throw new InvalidArgument(field, 'must be a quest id of 43 base64url characters');
  return text;
}

export function attemptId(quest: QuestId, attempt: number): AttemptId {
  return `${quest}|${attempt}` as AttemptId;
}

export function executionId(quest: QuestId, attempt: number, execution: number): ExecutionId {
  return `${quest}|${attempt}|${execution}` as ExecutionId;
}

/** The dependency comes first: those of one attempt begin differently, so that writing many of them spreads. */
export function edgeId(dependent: AttemptId, dependency: AttemptId): EdgeId {
  return `${dependency}<${dependent}` as EdgeId;
}

export function waitId(execution: ExecutionId, ask: number): WaitId {
  return `${execution}|${ask}` as WaitId;
}

export function parseAttemptId(text: string, field = 'attemptId'): { quest: QuestId; attempt: number } {
  const [quest = '', attempt = '', ...rest] = text.split('|');
  if (rest.length > 0) throw new InvalidArgument(field, 'must be "quest|attempt"');
  return { quest: questId(quest, field), attempt: positive(attempt, field) };
}

export function parseExecutionId(
  text: string,
  field = 'executionId',
): { quest: QuestId; attempt: number; execution: number } {
  const [quest = '', attempt = '', execution = '', ...rest] = text.split('|');
  if (rest.length > 0) throw new InvalidArgument(field, 'must be "quest|attempt|execution"');
  return { quest: questId(quest, field), attempt: positive(attempt, field), execution: positive(execution, field) };
}

export function isAttemptId(text: string): text is AttemptId {
  const [quest = '', ...numbers] = text.split('|');
  return isQuestId(quest) && numbers.length === 1 && numbers.every(isPositive);
}

export function isExecutionId(text: string): text is ExecutionId {
  const [quest = '', ...numbers] = text.split('|');
  return isQuestId(quest) && numbers.length === 2 && numbers.every(isPositive);
}

/** A number of an attempt or an execution, as it stands in a path or an id. */
export function positive(text: string, field: string): number {
  if (!isPositive(text)) throw new InvalidArgument(field, `must be a whole number from 1 to ${MAX_NUMBER}`);
  return Number(text);
}

function isPositive(text: string): boolean {
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) <= MAX_NUMBER;
}

export const SHARDS = 16;

/** Spreads documents over `SHARDS` index ranges and queues. FNV-1a, so that it is the same everywhere and for ever. */
export function shardOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return ((hash >>> 16) ^ hash) & (SHARDS - 1);
}
