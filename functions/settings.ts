import { z } from 'zod';
import { InvalidArgument } from '../shared/core/errors.ts';
import type { Keyring } from '../shared/core/tokens.ts';
import { parseWith } from '../shared/core/validation.ts';
import { LOG_LEVELS, type LogLevel } from './system.ts';
import type { FunctionName } from './wiring.ts';

/** What a deployed function reads from its environment, once. Absent is what this function has no use for. */
export interface FunctionSettings {
  projectId: string;
  databaseId: string;
  location: string;
  queues: string[];
  tasksUrl: string;
  /** E-mail of the account whose token the tasks carry. */
  tasksCaller: string | undefined;
  /** Where a local server takes the place of Cloud Tasks: `host:port`. */
  tasksEmulatorHost: string | undefined;
  topicId: string | undefined;
  jobUrl: string | undefined;
  keyring: Keyring | undefined;
  retentionMs: number | undefined;
  logLevel: LogLevel;
  /** All of it runs on one machine. */
  local: boolean;
}

export type Need = 'topic' | 'jobUrl' | 'keys' | 'secrets';

/** What a function needs beyond the store and the queue, which all of them use. */
export const NEEDS: Readonly<Record<FunctionName, readonly Need[]>> = {
  api: [],
  job: ['topic', 'keys'],
  notify: ['keys', 'secrets'],
  tasks: ['topic', 'jobUrl', 'keys', 'secrets'],
  sweep: [],
};

const DAY_MS = 24 * 60 * 60_000;
const MIN_KEY_BYTES = 32;
/** A day more than a job that cannot be stopped is followed. */
/** Longer than adapters keep what they know of an execution, and than its job may take to be stopped. */
const MIN_RETENTION_DAYS = 12;

const text = z.string('is missing').min(1, 'is empty');
const url = z.url({ protocol: /^https?$/, error: 'must be a URL' }).transform(value => value.replace(/\/$/, ''));

const shared = {
  GOOGLE_CLOUD_PROJECT: text,
  DATABASE: text.default('(default)'),
  LOCATION: text,
  QUEUES: z.coerce.number('must be a number').int().min(1).max(100),
  QUEUE_PREFIX: text.default('distributor'),
  TASKS_URL: url,
  RETENTION_DAYS: z.coerce.number('must be a number of days').int().min(MIN_RETENTION_DAYS).optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('warn'),
};

const deployed = z.object({ ...shared, LOCAL: z.literal('false').optional(), TASKS_CALLER: text });
const local = z.object({ ...shared, LOCAL: z.literal('true'), CLOUD_TASKS_EMULATOR_HOST: text });

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws InvalidArgument naming the variable. `secrets` are those that the distributors name. */
export function readSettings(
  name: FunctionName,
  environment: Environment,
  secrets: readonly string[],
): FunctionSettings {
  const needs = (need: Need) => NEEDS[name].includes(need);
  const isLocal = environment.LOCAL === 'true';
  const common = isLocal ? parseWith(local, environment) : parseWith(deployed, environment);
  const read = <T>(need: Need, variable: string, schema: z.ZodType<T>): T | undefined =>
    needs(need) ? parseWith(schema, environment[variable], variable) : undefined;
  if (needs('secrets')) for (const secret of secrets) parseWith(text, environment[secret], secret);
  return {
    projectId: common.GOOGLE_CLOUD_PROJECT,
    databaseId: common.DATABASE,
    location: common.LOCATION,
    queues: queueIds(common.QUEUE_PREFIX, common.QUEUES),
    tasksUrl: common.TASKS_URL,
    tasksCaller: 'TASKS_CALLER' in common ? common.TASKS_CALLER : undefined,
    tasksEmulatorHost: 'CLOUD_TASKS_EMULATOR_HOST' in common ? common.CLOUD_TASKS_EMULATOR_HOST : undefined,
    topicId: read('topic', 'TOPIC', text),
    jobUrl: read('jobUrl', 'JOB_URL', url),
    keyring: needs('keys') ? readKeyring(environment) : undefined,
    retentionMs: common.RETENTION_DAYS === undefined ? undefined : common.RETENTION_DAYS * DAY_MS,
    logLevel: common.LOG_LEVEL,
    local: isLocal,
  };
}

export function queueIds(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
}

/** `SIGNING_KEY_<n>` is the n-th version of the secret; the newest signs, and all of them are accepted. */
function readKeyring(environment: Environment): Keyring {
  const versions = Object.keys(environment)
    .flatMap(name => /^SIGNING_KEY_(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);
  if (versions.length === 0) throw new InvalidArgument('SIGNING_KEY_1', 'is missing; a signing key is needed');
  const keys = Object.fromEntries(versions.map(version => [`k${version}`, readKey(environment, version)]));
  return { current: `k${Math.max(...versions)}`, keys };
}

function readKey(environment: Environment, version: number): Buffer {
  const variable = `SIGNING_KEY_${version}`;
  const key = Buffer.from(parseWith(z.base64('must be base64'), environment[variable]?.trim(), variable), 'base64');
  if (key.length < MIN_KEY_BYTES) throw new InvalidArgument(variable, `must be at least ${MIN_KEY_BYTES} bytes`);
  return key;
}
