import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { isCredentialError, isTransient, messageOf } from '../../shared/core/errors.ts';
import { createAccessTokens } from '../../shared/google/access-token.ts';
import { serve } from '../support/http-server.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

beforeEach(() => {
  // Nobody's own credentials.
  const home = mkdtempSync(join(tmpdir(), 'home-'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('CLOUDSDK_CONFIG', home);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });
});

/** The metadata server of a Cloud Run instance. */
async function serveMetadata(token: () => { status?: number; body: object | string }) {
  const server = await serve(({ path }) => {
    const headers = { 'metadata-flavor': 'Google', 'content-type': 'application/json' };
    return path.includes('/token') ? { headers, ...token() } : { headers, body: '{}' };
  });
  vi.stubEnv('GCE_METADATA_HOST', server.host);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  const asked = () => server.requests.filter(({ path }) => path.includes('/token'));
  return { asked };
}

test('a token of the service account, for the scope that was asked for, is kept until it expires', async () => {
  const { asked } = await serveMetadata(() => ({
    body: { access_token: 'ya29.x', expires_in: 3599, token_type: 'Bearer' },
  }));
  const accessToken = createAccessTokens();
  expect(await Promise.all([accessToken(SCOPE), accessToken(SCOPE)])).toEqual(['ya29.x', 'ya29.x']);
  expect(await accessToken(SCOPE)).toBe('ya29.x');
  expect(asked().length).toBeLessThanOrEqual(2);
  expect(decodeURIComponent(asked()[0]!.path)).toContain(SCOPE);
  await accessToken('https://www.googleapis.com/auth/userinfo.email');
  expect(decodeURIComponent(asked().at(-1)!.path)).toContain('userinfo.email');
});

test('without credentials it is an error of the caller, which says what to do about it', async () => {
  vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
  const error: unknown = await createAccessTokens()(SCOPE).catch((thrown: unknown) => thrown);
  expect(isCredentialError(error)).toBe(true);
  expect(isTransient(error)).toBe(false);
  expect(messageOf(error)).toMatch(/no access token: .*credentials/i);
});

test('what failed once is asked for again', async () => {
  let works = false;
  await serveMetadata(() =>
    works
      ? { body: { access_token: 'ya29.y', expires_in: 3599, token_type: 'Bearer' } }
      : { status: 404, body: 'no account' },
  );
  const accessToken = createAccessTokens();
  await expect(accessToken(SCOPE)).rejects.toThrow('no access token');
  works = true;
  expect(await accessToken(SCOPE)).toBe('ya29.y');
});
