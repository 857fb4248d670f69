import { z } from 'zod';
import { durationSchema, parseDuration } from '../../core/duration.ts';
import { commonConfig } from '../contract.ts';
import { checkConfigHeaders } from './headers.ts';

/** Below the time that one delivery of a task has. */
const MAX_REQUEST_TIMEOUT = '480s';

export const httpConfigSchema = z.strictObject({
  ...commonConfig,
  /** Host names, or `host:port`. */
  allowedHosts: z
    .array(z.string().regex(/^[^\s/@?#\\]+$/, 'must be a host name or "host:port"'))
    .min(1, 'must name at least one host'),
  /** Sent with every call. A value `env:NAME` is read from that secret at each call. */
  headers: z.record(z.string(), z.string()).superRefine(checkConfigHeaders).default({}),
  requestTimeout: durationSchema
    .refine(text => parseDuration(text) > 0, 'must be more than zero')
    .refine(
      text => parseDuration(text) <= parseDuration(MAX_REQUEST_TIMEOUT),
      `must be at most "${MAX_REQUEST_TIMEOUT}"`,
    )
    .default('30s'),
  /** How often the call is made until the service answers, the first time included. */
  maxTries: z.int().min(1).max(100).default(5),
});

export type HttpConfig = z.infer<typeof httpConfigSchema>;
