import { describe, expect, test } from 'vitest';
import { isAllowedHost, isLoopback, isPublic, literalAddress } from '../../shared/adapters/outbound-policy.ts';

test.each([
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['172.32.0.0', true],
  ['2606:4700::1111', true],
  ['2a00:1450:4001::200e', true],
  ['0.0.0.0', false],
  ['10.1.2.3', false],
  ['100.100.100.200', false],
  ['127.0.0.1', false],
  ['127.255.255.254', false],
  ['169.254.169.254', false],
  ['172.16.0.1', false],
  ['172.31.255.255', false],
  ['192.168.1.1', false],
  ['198.19.0.1', false],
  ['224.0.0.251', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::8.8.8.8', false],
  ['::ffff:8.8.8.8', false],
  ['::ffff:a9fe:a9fe', false],
  ['64:ff9b::a9fe:a9fe', false],
  ['2001::1', false],
  ['2001:db8::1', false],
  ['2002:a9fe:a9fe::', false],
  ['fc00::1', false],
  ['fd00:ec2::254', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['ff02::1', false],
  ['example.com', false],
  ['', false],
])('whether %j is public: %s', (address, expected) => expect(isPublic(address)).toBe(expected));

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', false],
  ['::ffff:7f00:1', false],
  ['0.0.0.0', false],
  ['128.0.0.1', false],
  ['127.0.0.1.example.com', false],
  ['localhost', false],
])('whether %j is loopback: %s', (address, expected) => expect(isLoopback(address)).toBe(expected));

describe('a host is allowed by name, or by name and port', () => {
  test.each([
    ['https://api.example.com/x', ['api.example.com'], true],
    ['https://API.example.com/x', ['Api.Example.Com'], true],
    ['https://api.example.com:8443/x', ['api.example.com'], true],
    ['https://api.example.com:8443/x', ['api.example.com:8443'], true],
    ['https://api.example.com/x', ['api.example.com:443'], true],
    ['http://127.0.0.1/x', ['127.0.0.1:80'], true],
    ['https://[::1]:9/x', ['[::1]:9'], true],
    ['https://api.example.com/x', ['api.example.com:8443'], false],
    ['https://api.example.com/x', ['example.com'], false],
    ['https://example.com.evil.test/', ['example.com'], false],
    ['https://evil.test/example.com', ['example.com'], false],
    ['https://evil.test?example.com', ['example.com'], false],
    ['https://example.com./', ['example.com'], false],
    ['https://example.com/', ['*'], false],
    ['https://example.com/', [], false],
  ])('%s among %j: %s', (url, allowed, expected) => expect(isAllowedHost(new URL(url), allowed)).toBe(expected));
});

test.each([
  ['http://2130706433/', '127.0.0.1'],
  ['http://0x7f.1/', '127.0.0.1'],
  ['http://017700000001/', '127.0.0.1'],
  ['http://[::FFFF:169.254.169.254]/', '::ffff:a9fe:a9fe'],
  ['http://example.com/', undefined],
])('the address in %s is %s', (url, address) => expect(literalAddress(new URL(url))).toBe(address));
