import { messageOf } from '../../core/errors.ts';
import type { Services } from '../contract.ts';
import { HttpStatusError } from '../http-answer.ts';
import type { TesConfig } from './config.ts';

/**
 * The secret may change at any time. One that is missing, or that cannot be sent, is as if the server had refused it: that says
 * nothing of the jobs.
 */
export function authorizationOf({ authorization }: TesConfig, services: Services): () => Promise<string | undefined> {
  return async () => {
    if (authorization === undefined) return undefined;
    const value = secretOf(authorization, services).trim();
    if (!/^[ -~]+$/.test(value))
      throw new HttpStatusError(`the secret ${authorization} is no Authorization header`, 401);
    return value;
  };
}

function secretOf(reference: string, services: Services): string {
  try {
    return services.secret(reference);
  } catch (error) {
    throw new HttpStatusError(messageOf(error), 401);
  }
}
