import { BlockList, isIP } from 'node:net';

/** Where outbound calls may go: which hosts, and which addresses once a name is resolved. */

/** `allowed` holds host names (any port) or `host:port`; IPv6 in brackets, as in a URL. */
export function isAllowedHost(url: URL, allowed: readonly string[]): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return allowed.some(entry => {
    const host = entry.toLowerCase();
    return host === url.hostname || host === `${url.hostname}:${port}`;
  });
}

/** The host of a URL when it is an IP address, without the brackets. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return isIP(host) === 0 ? undefined : host;
}

/** The registries of special-purpose addresses: iana.org/assignments/iana-ipv4-special-registry, -ipv6-. */
const NOT_PUBLIC = {
  ipv4: blockList('ipv4', [
    '0.0.0.0/8', // this network; 0.0.0.0 connects to loopback
    '10.0.0.0/8',
    '100.64.0.0/10', // carrier-grade NAT, and one cloud's metadata server
    '127.0.0.0/8',
    '169.254.0.0/16', // link-local, and the metadata servers
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24', // 6to4 relays
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4', // multicast
    '240.0.0.0/4', // reserved, and broadcast
  ]),
  ipv6: blockList('ipv6', [
    // Everything but 2000::/3, the only range of global unicast addresses. Among the rest are loopback, link-local and
    // unique local addresses, multicast, and the forms that carry an IPv4 address (::ffff:0:0/96, 64:ff9b::/96).
    '::/3',
    '4000::/2',
    '8000::/1',
    '2001::/23', // protocol assignments; Teredo carries an IPv4 address
    '2001:db8::/32',
    '2002::/16', // 6to4 carries an IPv4 address
    '3fff::/20',
  ]),
};

/** Only the plain forms: IPv4 inside IPv6 (`::ffff:127.0.0.1`) counts as neither loopback nor public. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** Whether an address belongs to the public internet. What is no address, or has a zone, does not. */
export function isPublic(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  return !NOT_PUBLIC[family].check(address, family);
}

/** One list per family: a shared one would look IPv4 up among the IPv6 ranges, too. */
function blockList(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}
