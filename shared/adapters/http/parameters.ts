import { z } from 'zod';
import type { QuestDesc } from '../../core/quest.ts';
import { parseWith } from '../../core/validation.ts';
import { isAllowedHost } from '../outbound-policy.ts';
import type { HttpConfig } from './config.ts';
import { checkQuestHeaders } from './headers.ts';

const METHODS = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE'] as const;

/** What a quest says of its call; `parameters` are the body. */
export interface CallParameters {
  url: string;
  method: (typeof METHODS)[number];
  headers: Record<string, string>;
  /** `{token}` and `{executionId}` are filled in, in both. */
  statusUrl?: string | undefined;
  cancelUrl?: string | undefined;
}

/** Returns the reader of a quest's distributor parameters. It throws InvalidArgument naming the field. */
export function parametersReader({ allowedHosts, headers }: HttpConfig): (quest: QuestDesc) => CallParameters {
  const url = z.string().superRefine((text, context) => {
    const message = urlProblem(text, allowedHosts);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
  const schema: z.ZodType<CallParameters> = z.strictObject({
    url,
    method: z.enum(METHODS).default('POST'),
    headers: z.record(z.string(), z.string()).superRefine(checkQuestHeaders(headers)).default({}),
    statusUrl: url.optional(),
    cancelUrl: url.optional(),
  });
  return quest => parseWith(schema, quest.distributorParameters, 'distributorParameters');
}

/** Braces in a host are no URL, so that what is filled in later cannot change the host. */
function urlProblem(text: string, allowedHosts: readonly string[]): string | undefined {
  const url = URL.parse(text);
  if (!url) return 'must be an absolute URL';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https URL';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  return isAllowedHost(url, allowedHosts) ? undefined : `host ${url.host} is not among the distributor's allowed hosts`;
}

export function fillUrl(template: string, values: { token: string; executionId: string }): string {
  return template.replaceAll(/\{(token|executionId)\}/g, (_, name: keyof typeof values) =>
    encodeURIComponent(values[name].toWellFormed()),
  );
}
