import { parseExecutionId } from '../../core/ids.ts';
import type { TaskDescription } from '../contract.ts';
import type { ProcessIdentity } from './identity.ts';

export type Environment = Readonly<Record<string, string>>;

/** All that a command gets of the stack's own environment; the rest may hold the stack's secrets. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER'];

/** Holds the mark of the launch, by which its processes are known even after they left their process group. */
export const MARK_VARIABLE = 'EXECUTION_MARK';

const RESERVED: ReadonlySet<string> = new Set([
  'EXECUTION_ID',
  'ATTEMPT',
  'EXECUTION',
  'PREVIOUS_STATE_FILE',
  'EXECUTION_URL',
  'ACTIVATION_TOKEN',
  'NOTIFY_URL',
  'AUTH_TOKEN',
  MARK_VARIABLE,
]);

/** The mark of an execution that one process launched. */
export function markOf(owner: ProcessIdentity, executionId: string): string {
  return `${markPrefixOf(owner)}${executionId}`;
}

/** What the marks of all that a process launched begin with. */
export function markPrefixOf({ pid, startTime }: ProcessIdentity): string {
  return `${pid}/${startTime}|`;
}

export function isReserved(name: string): boolean {
  return RESERVED.has(name);
}

export function inheritedFrom(stack: Readonly<Record<string, string | undefined>>): Environment {
  const entries = INHERITED.map(name => [name, stack[name]] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

/** What a command is told about its execution; the callback only when the quest says that it calls back. */
export function environmentOf(task: TaskDescription, mark: string, stateFile: string | undefined): Environment {
  const { attempt, execution } = parseExecutionId(task.executionId);
  const variables = {
    EXECUTION_ID: task.executionId,
    ATTEMPT: String(attempt),
    EXECUTION: String(execution),
    [MARK_VARIABLE]: mark,
    ...(stateFile !== undefined && { PREVIOUS_STATE_FILE: stateFile }),
  };
  if (task.quest.meta.mode !== 'interactive') return variables;
  const { attributes, notifyUrl } = task.prepareTopic();
  return {
    ...variables,
    EXECUTION_URL: task.executionUrl,
    ACTIVATION_TOKEN: task.executionAuth.activationToken,
    NOTIFY_URL: notifyUrl,
    AUTH_TOKEN: attributes.auth_token,
  };
}
