import { NEEDS, type Need } from '../../functions/settings.ts';
import type { FunctionName } from '../../functions/wiring.ts';
import { type Distributors, secretNames } from '../../shared/adapters/distributors.ts';
import type { Keyring } from '../../shared/core/tokens.ts';
import type { Settings } from '../settings.ts';

/** The names that `deploy.sh` would give to the project's parts. */
export const LOCAL = {
  projectId: 'local-project',
  location: 'local',
  queues: 1,
  queuePrefix: 'distributor',
  topicId: 'distributor-notifications',
  subscriptionId: 'distributor-notify',
  deadLetterTopicId: 'distributor-dead-letters',
} as const;

export interface World {
  settings: Settings;
  distributors: Distributors;
  keyring: Keyring;
  urls: Record<FunctionName, string>;
  firestoreHost: string;
  pubsubHost: string;
  tasksHost: string;
}

type Variables = Record<string, string | undefined>;

/** What a function finds in its environment: what `deploy.sh` gives it, and where the parts are on this machine. */
export function environmentOf(name: FunctionName, world: World): Variables {
  return Object.assign(common(world), ...NEEDS[name].map(need => VARIABLES[need](world)));
}

const VARIABLES: Record<Need, (world: World) => Variables> = {
  topic: () => ({ TOPIC: LOCAL.topicId }),
  jobUrl: world => ({ JOB_URL: world.urls.job }),
  keys: signingKeys,
  secrets,
};

/**
 * The heap as in an instance with 512 MiB: the buildpack gives 80 % to the old space
 * (https://github.com/GoogleCloudPlatform/buildpacks/blob/main/cmd/nodejs/runtime/exec/heapsize.sh), and V8 takes the
 * smallest semi-space there. On a machine with more, memory would say nothing.
 */
export const NODE_OPTIONS = '--max-old-space-size=409 --max-semi-space-size=1';

/** Of this process's environment, what commands inherit and what the programs themselves need. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER'];

function common({ settings, urls, firestoreHost, pubsubHost, tasksHost }: World): Variables {
  return {
    ...Object.fromEntries(INHERITED.map(name => [name, process.env[name]])),
    NODE_ENV: 'production',
    NODE_OPTIONS,
    GOOGLE_CLOUD_PROJECT: LOCAL.projectId,
    LOCATION: LOCAL.location,
    QUEUES: String(LOCAL.queues),
    QUEUE_PREFIX: LOCAL.queuePrefix,
    TASKS_URL: urls.tasks,
    LOG_LEVEL: settings.logLevel,
    LOCAL: 'true',
    DATA_DIR: settings.dataDir,
    FIRESTORE_EMULATOR_HOST: firestoreHost,
    PUBSUB_EMULATOR_HOST: pubsubHost,
    CLOUD_TASKS_EMULATOR_HOST: tasksHost,
    // There is none, and looking for one takes seconds.
    METADATA_SERVER_DETECTION: 'none',
  };
}

/** Named by number, the highest of which signs. */
function signingKeys({ keyring: { keys } }: World): Variables {
  return Object.fromEntries(
    Object.entries(keys).map(([id, key]) => [`SIGNING_KEY_${id.slice(1)}`, Buffer.from(key).toString('base64')]),
  );
}

/** The variables that configs name; of all others a function learns nothing. */
function secrets({ distributors }: World): Variables {
  return Object.fromEntries(secretNames(distributors).map(name => [name, process.env[name]]));
}
