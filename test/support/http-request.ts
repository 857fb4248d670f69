import type { LookupAddress } from 'node:dns';
import type { HttpRequest } from '../../shared/adapters/contract.ts';

/** A request whose own host is allowed. */
export function get(url: string, overrides: Partial<HttpRequest> = {}): HttpRequest {
  const host = URL.parse(url)?.host ?? '';
  return { url, method: 'GET', allowedHosts: [host], timeoutMs: 10_000, maxBytes: 100_000, ...overrides };
}

/** A resolver of one answer, which remembers what it was asked. */
export function resolver(...addresses: string[]) {
  const asked: string[] = [];
  const lookup = (
    host: string,
    _: object,
    callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
  ) => {
    asked.push(host);
    callback(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { asked, lookup };
}
