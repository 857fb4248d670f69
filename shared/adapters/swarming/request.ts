import { z } from 'zod';
import { parseDuration } from '../../core/duration.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TaskDescription } from '../contract.ts';
import { executionName } from '../execution-name.ts';
import { executionUuid } from '../execution-uuid.ts';
import { PARAMETERS_VARIABLE } from '../job-environment.ts';
import { timeoutsMs } from '../timeouts.ts';
import type { SwarmingConfig } from './config.ts';
import {
  type CipdPackage,
  EXECUTION_TAG,
  MAX_RUN_SECONDS,
  MIN_TIMEOUT_SECONDS,
  type TaskParameters,
} from './parameters.ts';
import { pinsSchema } from './status.ts';

/** Where outputs go when there are no inputs to say so: https://pkg.go.dev/go.chromium.org/luci/swarming/proto/api_v2#TaskProperties */
const EMPTY_INPUT_ROOT = { hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', sizeBytes: 0 };

const MAX_EXPIRATION_SECONDS = 7 * 24 * 60 * 60;
const MAX_GRACE_SECONDS = 60 * 60;

export function executionTag(executionId: ExecutionId): string {
  return `${EXECUTION_TAG}:${executionName(executionId)}`;
}

/** The NewTaskRequest of an execution, and what of it must not come back in an error. The same execution has the same bytes. */
export function newTaskOf(
  task: TaskDescription,
  parameters: TaskParameters,
  config: SwarmingConfig,
): { body: JsonObject; secrets: string[] } {
  const { quest, executionId } = task;
  const { name, tags, realm, serviceAccount, waitForCapacity, priority } = parameters;
  const timeouts = timeoutsMs(quest, config);
  const secretBytes = quest.meta.mode === 'interactive' ? secretBytesOf(task) : undefined;
  const { auth_token: authToken } = task.prepareTopic().attributes;
  return {
    body: {
      requestUuid: executionUuid(executionId),
      name: name ?? executionName(executionId),
      priority,
      tags: [executionTag(executionId), ...tags],
      ...(realm !== undefined && { realm }),
      ...(serviceAccount !== undefined && { serviceAccount }),
      ...pubsub(task),
      taskSlices: [
        {
          expirationSecs: seconds(timeouts.start, { min: MIN_TIMEOUT_SECONDS, max: MAX_EXPIRATION_SECONDS }),
          waitForCapacity,
          properties: {
            ...propertiesOf(parameters, task.previousState),
            // An interactive job that has finished its attempt still has its time to stop.
            executionTimeoutSecs: seconds(timeouts.run, {
              min: MIN_TIMEOUT_SECONDS,
              max: MAX_RUN_SECONDS,
              plusMs: secretBytes === undefined ? 0 : timeouts.stop,
            }),
            gracePeriodSecs: seconds(timeouts.stop, { min: 1, max: MAX_GRACE_SECONDS }),
            ...(secretBytes !== undefined && { secretBytes }),
          },
        },
      ],
    },
    secrets: [authToken, task.executionAuth.activationToken, ...(secretBytes === undefined ? [] : [secretBytes])],
  };
}

/** Within what the service takes. 0 is unlimited, and the service's maximum is as near as it gets. */
function seconds(
  milliseconds: number,
  { min, max, plusMs = 0 }: { min: number; max: number; plusMs?: number },
): number {
  return milliseconds === 0 ? max : Math.min(Math.max(Math.ceil((milliseconds + plusMs) / 1000), min), max);
}

/** The one thing of a task that nobody is shown: the job finds it in its LUCI_CONTEXT, `swarming.secret_bytes`. */
function secretBytesOf({ executionId, executionUrl, executionAuth }: TaskDescription): string {
  const { activationToken } = executionAuth;
  return Buffer.from(JSON.stringify({ executionId, executionUrl, activationToken })).toString('base64');
}

/** https://github.com/luci/luci-go/blob/main/swarming/server/validate/validate.go: Swarming refuses a task whose topic is another. */
const TOPIC = /^projects\/(?:google\.com:.*|[a-z][a-z0-9-]{4,28}[a-z0-9])\/topics\/(?!goog)[A-Za-z][\w.~+%-]{3,255}$/;

/** The topic of one machine is no topic of Google's: nobody else can publish to it, and polls must do. */
function pubsub({ executionId, prepareTopic }: TaskDescription): JsonObject {
  const { topic, attributes } = prepareTopic();
  if (!TOPIC.test(topic)) return {};
  return { pubsubTopic: topic, pubsubAuthToken: attributes.auth_token, pubsubUserdata: executionId };
}

function propertiesOf(parameters: TaskParameters, previousState: JsonObject | undefined): JsonObject {
  const { command, relativeCwd, env, envPrefixes, pool, dimensions, casInstance, caches, outputs } = parameters;
  const { ioTimeout, idempotent, questParameters } = parameters;
  const packages = pinned(parameters.cipdPackages, previousState);
  const digest = parameters.casInputRoot ?? (outputs.length > 0 ? EMPTY_INPUT_ROOT : undefined);
  return {
    command,
    ...(relativeCwd !== undefined && { relativeCwd }),
    env: pairs({ ...env, [PARAMETERS_VARIABLE]: questParameters }),
    ...(Object.keys(envPrefixes).length > 0 && { envPrefixes: pairs(envPrefixes) }),
    dimensions: pairs({ ...dimensions, pool }).flatMap(({ key, value }) =>
      [value].flat().map(one => ({ key, value: one })),
    ),
    ...(casInstance !== undefined &&
      digest && { casInputRoot: { casInstance, digest: { ...digest, sizeBytes: String(digest.sizeBytes) } } }),
    ...(packages.length > 0 && { cipdInput: { packages } }),
    ...(caches.length > 0 && { caches }),
    ...(outputs.length > 0 && { outputs }),
    ...(ioTimeout !== undefined && { ioTimeoutSecs: Math.ceil(parseDuration(ioTimeout) / 1000) }),
    idempotent,
  };
}

/** StringPairs and StringListPairs stand in the order of their keys. */
function pairs<T>(record: Readonly<Record<string, T>>): { key: string; value: T }[] {
  return Object.entries(record)
    .map(([key, value]) => ({ key, value }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

const previousSchema = z.object({ cipdPins: pinsSchema });

/**
 * The packages with the versions that the attempt's last execution had. Pins stand in the order of the packages; those that
 * the pool's template adds come last (https://github.com/luci/luci-py/blob/main/client/run_isolated.py), and would be refused.
 */
function pinned(packages: readonly CipdPackage[], previousState: JsonObject | undefined): CipdPackage[] {
  const previous = previousSchema.safeParse(previousState);
  const pins = previous.success ? previous.data.cipdPins : [];
  return packages.map((one, i) => {
    const pin = pins[i];
    const same = pin?.path === one.path && (pin.packageName === one.packageName || one.packageName.includes('${'));
    return same ? pin : one;
  });
}
