import { join, resolve } from 'node:path';
import { z } from 'zod';
import { LOG_LEVELS, type LogLevel } from '../functions/system.ts';
import { parseWith } from '../shared/core/validation.ts';

/** What `npm start` reads from its environment, once. */
export interface Settings {
  /** The api's port; job, notify, tasks and sweep have the four after it. 0: five free ones. */
  port: number;
  dataDir: string;
  distributorsFile: string;
  logLevel: LogLevel;
}

const environmentSchema = z.object({
  PORT: z.coerce.number('must be a port number').int().min(0).max(65_531).default(8080),
  DATA_DIR: z.string().min(1).default('.data'),
  DISTRIBUTORS: z.string().min(1).default('distributors.yaml'),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('warn'),
});

/** Throws InvalidArgument naming the variable. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const { PORT, DATA_DIR, DISTRIBUTORS, LOG_LEVEL } = parseWith(environmentSchema, environment);
  return { port: PORT, dataDir: resolve(DATA_DIR), distributorsFile: resolve(DISTRIBUTORS), logLevel: LOG_LEVEL };
}

export function databaseFile({ dataDir }: Pick<Settings, 'dataDir'>): string {
  return join(dataDir, 'distributor.sqlite');
}
