import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { expect, onTestFinished, test } from 'vitest';
import { keepDomainsAway } from '../../functions/domains.ts';

test('functions-framework serves without a domain, and still answers for a handler that fails', async () => {
  keepDomainsAway();
  http('outside', async (request, response) => {
    if (request.path === '/fails') throw new Error('on purpose');
    response.end(String((process as { domain?: unknown }).domain));
  });
  const server = getTestServer('outside').listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await (await fetch(url)).text()).toMatch(/^(undefined|null)$/);
  expect((await fetch(`${url}/fails`)).status).toBe(500);
});
