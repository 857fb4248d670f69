import { createExecType } from '../../shared/adapters/exec/index.ts';
import { ADAPTER_TYPES as DEPLOYED_TYPES } from '../../shared/adapters/types.ts';

const exec = createExecType({ directory: process.env.DATA_DIR ?? '.data', environment: process.env });
// functions-framework exits without waiting for anybody.
process.once('exit', () => exec.kill());

/** What is bundled for one machine: the types of every deployment, and commands. */
export const ADAPTER_TYPES = [...DEPLOYED_TYPES, exec];
