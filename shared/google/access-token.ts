import { isTransient, messageOf, TransientError } from '../core/errors.ts';
import { within } from './deadline.ts';

const WITHIN_MS = 10_000;

/** There are no credentials, or they are refused; `status` is how the engine recognises it. */
class NoCredentials extends Error {
  override name = 'NoCredentials';
  readonly status = 401;
}

/**
 * OAuth access tokens of the identity that we run under: of the function's service account, or on one machine of whoever
 * did `gcloud auth application-default login`. The library keeps each until shortly before it expires. It is loaded at
 * the first use: most functions never call an executor of Google's.
 */
export function createAccessTokens(): (scope: string) => Promise<string> {
  const sources = new Map<string, Promise<{ getAccessToken(): Promise<string | null | undefined> }>>();

  async function open(scope: string) {
    const { GoogleAuth } = await import('google-auth-library');
    return new GoogleAuth({ scopes: [scope] });
  }

  return async scope => {
    const source = sources.get(scope) ?? open(scope);
    sources.set(scope, source);
    try {
      const token = await within(WITHIN_MS, 'get an access token', async () => (await source).getAccessToken());
      if (token) return token;
    } catch (error) {
      // Its look-up of the project and the kind of credentials is kept, also when it failed.
      sources.delete(scope);
      const message = `no access token: ${messageOf(error)}`;
      throw isTransient(error) ? new TransientError(message, { cause: error }) : new NoCredentials(message);
    }
    throw new NoCredentials('no access token: these credentials give none');
  };
}
