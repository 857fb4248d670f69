import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EDITS, edited } from '../../build/edits.ts';
import { ROOT } from '../../build/entry.ts';
import { type ProtoNode, reachable } from '../../build/protos.ts';

const sourceOf = (file: string) => readFileSync(join(ROOT, 'node_modules', file), 'utf8');

describe.each(Object.entries(EDITS))('%s', (file, edits) => {
  test('is edited', () => {
    const result = edited(sourceOf(file), file);
    for (const { find } of edits) expect(result).not.toContain(find);
  });

  test.each(edits)('fails the build when a new version no longer has, or has twice: $find', ({ find }) => {
    const source = sourceOf(file);
    expect(() => edited(source.replace(find, ''), file)).toThrow(`${file} has 0 times, not once`);
    expect(() => edited(source + find, file)).toThrow(`${file} has 2 times, not once`);
  });
});

describe('of a file of messages stays', () => {
  const root: ProtoNode = {
    nested: {
      a: {
        nested: {
          Service: {
            methods: { call: { requestType: 'Request', responseType: 'b.Answer', options: { '(http)': 'x' } } },
          },
          Other: { methods: { call: { requestType: 'Unused', responseType: 'Unused' } } },
          Request: {
            fields: {
              text: { type: 'string', options: { '(behavior)': 'REQUIRED', proto3_optional: true } },
              part: { type: 'Part' },
              again: { type: '.a.Request' },
            },
            nested: { Part: { fields: {} }, Spare: { fields: {} } },
          },
          Unused: { fields: {} },
        },
      },
      b: {
        nested: {
          Answer: { fields: { inner: { type: 'Outer.Inner' } } },
          Outer: { fields: {}, nested: { Inner: { fields: {} } } },
        },
      },
    },
  };
  const kept = reachable(root, 'a.Service');
  const namesIn = (node: ProtoNode | undefined) => Object.keys(node?.nested ?? {});

  test('what the service needs, with what it stands in, and nothing else', () => {
    expect(namesIn(kept)).toEqual(['a', 'b']);
    expect(namesIn(kept.nested!.a)).toEqual(['Service', 'Request']);
    expect(namesIn(kept.nested!.a!.nested!.Request)).toEqual(['Part']);
    expect(namesIn(kept.nested!.b)).toEqual(['Answer', 'Outer']);
    expect(namesIn(kept.nested!.b!.nested!.Outer)).toEqual(['Inner']);
  });

  test('how fields are encoded, but no annotation', () => {
    expect(kept.nested!.a!.nested!.Request!.fields!.text).toEqual({
      type: 'string',
      options: { proto3_optional: true },
    });
    expect(kept.nested!.a!.nested!.Service!.methods!.call).toEqual({
      requestType: 'Request',
      responseType: 'b.Answer',
    });
  });

  test('nothing of a service that does not exist: the build fails', () => {
    expect(() => reachable(root, 'a.Gone')).toThrow('there is no service a.Gone');
  });
});
