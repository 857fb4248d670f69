import type { DistributorType } from './contract.ts';
import { httpType } from './http/index.ts';
import { jobsimType } from './jobsim/index.ts';

/** The registry table: the types that every deployment can run. `exec` comes in addition on one machine. */
export const ADAPTER_TYPES: readonly DistributorType[] = [httpType, jobsimType];
