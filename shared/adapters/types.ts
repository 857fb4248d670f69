import { cloudBatchType } from './cloud-batch/index.ts';
import { cloudBuildType } from './cloud-build/index.ts';
import { cloudRunJobType } from './cloud-run-job/index.ts';
import type { DistributorType } from './contract.ts';
import { httpType } from './http/index.ts';
import { jobsimType } from './jobsim/index.ts';
import { swarmingType } from './swarming/index.ts';
import { tesType } from './tes/index.ts';

/** The registry table: the types that every deployment can run. `exec` comes in addition on one machine. */
export const ADAPTER_TYPES: readonly DistributorType[] = [
  httpType,
  cloudRunJobType,
  cloudBatchType,
  cloudBuildType,
  swarmingType,
  tesType,
  jobsimType,
];
