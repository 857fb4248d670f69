import type { FunctionName } from '../../functions/wiring.ts';
import type { CallOptions, setUp } from '../functions/harness.ts';

const QUEST = `/v1/quests/${'q'.repeat(43)}`;
const EXECUTION = `${QUEST}/attempts/1/executions/1`;

export interface Endpoint {
  name: FunctionName;
  target: string;
  /** In KiB. */
  cap: number;
  /** What to answer to a body that says nothing: an error, or that it was dropped, or that nobody looked at it. */
  onNonsense: 'refuses' | 'drops' | 'ignores';
}

/** Every endpoint that takes a body. */
export const ENDPOINTS: readonly Endpoint[] = [
  { name: 'api', target: 'POST /v1/graph:ensure', cap: 4096, onNonsense: 'refuses' },
  { name: 'api', target: 'POST /v1/graph:walk', cap: 4096, onNonsense: 'refuses' },
  { name: 'api', target: `POST ${QUEST}/attempts/1:cancel`, cap: 1024, onNonsense: 'refuses' },
  { name: 'job', target: `POST ${EXECUTION}:activate`, cap: 1024, onNonsense: 'refuses' },
  { name: 'job', target: `POST ${EXECUTION}:finish`, cap: 1024, onNonsense: 'refuses' },
  { name: 'job', target: `POST ${EXECUTION}:ensureGraphData`, cap: 4096, onNonsense: 'refuses' },
  { name: 'job', target: `POST ${EXECUTION}:walkGraph`, cap: 4096, onNonsense: 'refuses' },
  { name: 'job', target: `POST ${EXECUTION}:notify`, cap: 320, onNonsense: 'refuses' },
  { name: 'notify', target: 'POST /', cap: 1024, onNonsense: 'drops' },
  { name: 'notify', target: 'POST /distributors/main', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /run', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /poll', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /cancel', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /wake', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /propagate', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /start', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /polls', cap: 1024, onNonsense: 'drops' },
  { name: 'tasks', target: 'POST /distributor/main', cap: 1024, onNonsense: 'drops' },
  { name: 'sweep', target: 'POST /', cap: 1024, onNonsense: 'ignores' },
];

export type Stack = Awaited<ReturnType<typeof setUp>>;

/** Calls an endpoint as whoever may, as far as its body is concerned. */
export function post({ call }: Stack, { name, target }: Endpoint, options: CallOptions) {
  return call(name, target, { token: 'x'.repeat(43), ...options });
}
