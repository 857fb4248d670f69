import { z } from 'zod';
import { allowList } from '../allow-list.ts';
import { commonConfig } from '../contract.ts';
import { endpointSchema } from '../rest.ts';

/** What `swarming trigger` of luci-go uses; 1 is the most important, 255 the least. */
const DEFAULT_PRIORITY = 200;

export const prioritySchema = z.int().min(1).max(255);

/** The rules are those of https://github.com/luci/luci-go/blob/main/swarming/server/validate/validate.go. */
const poolSchema = z
  .string()
  .regex(/^[^\s:|](?:[^:|]{0,254}[^\s:|])?$/, 'must be the name of a pool, without ":" and "|"');
const realmSchema = z
  .string()
  .regex(/^[a-z0-9_-]{1,100}:(?:@root|@project|@legacy|[a-z0-9_./-]{1,400})$/, 'must be "project:realm"');
const serviceAccountSchema = z
  .string()
  .max(128)
  .regex(/^(?:none|bot|[^\s@]+@[^\s@]+)$/, 'must be an email, "bot" or "none"');
const casInstanceSchema = z
  .string()
  .regex(/^projects\/[a-z0-9-]+\/instances\/[a-z0-9_-]+$/, 'must be "projects/P/instances/I"');

export const swarmingConfigSchema = z.strictObject({
  ...commonConfig,
  /** `https://HOST` of the Swarming server. */
  endpoint: endpointSchema,
  /** What a quest may choose from (`pool`); the first is the default. So it is with the other lists. */
  pools: allowList(poolSchema),
  /** Absent: the default realm of the pool. */
  realms: allowList(realmSchema).optional(),
  /** What a task may act as (`meta.asAccount`). Absent: none. */
  serviceAccounts: allowList(serviceAccountSchema).optional(),
  /** Where inputs come from and outputs go to. Absent: neither is possible. */
  casInstances: allowList(casInstanceSchema).optional(),
  /** Of quests that do not say. */
  priority: prioritySchema.default(DEFAULT_PRIORITY),
});

export type SwarmingConfig = z.infer<typeof swarmingConfigSchema>;
