import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseDistributors } from '../../shared/adapters/distributors.ts';
import { createRegistry, typeTable } from '../../shared/adapters/registry.ts';
import { ADAPTER_TYPES } from '../../shared/adapters/types.ts';
import { ABNORMAL_STATUSES } from '../../shared/core/result.ts';
import { parseJson } from '../../shared/core/json.ts';
import { normalizeQuest } from '../../shared/core/quest.ts';
import { fakeServices } from '../support/services.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/executors.md'), 'utf8');

/** The sections of executors, by type. */
const SECTIONS = new Map(
  TEXT.split(/^## /m)
    .slice(1)
    .map(section => [section.slice(0, section.indexOf('\n')), section] as const),
);
const DOCUMENTED = ['cloud-run-job', 'cloud-batch', 'cloud-build', 'swarming', 'tes'];
const types = typeTable(ADAPTER_TYPES);

function blockOf(type: string, language: string): string {
  return new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(SECTIONS.get(type) ?? '')?.[1] ?? '';
}

describe.each(DOCUMENTED)('docs/executors.md, %s', type => {
  test('has a config that works and a sample quest that it accepts', () => {
    const distributors = parseDistributors(parseYaml(blockOf(type, 'yaml')), types);
    const registry = createRegistry({ types, distributors, servicesFor: () => fakeServices() });
    const { desc } = normalizeQuest(parseJson(blockOf(type, 'json')));
    const resolution = registry.resolve(desc);
    expect(resolution.distributor.type).toBe(type);
    expect(resolution.mode).toBe(types.get(type)?.modes[0]);
  });

  test('tells the roles that it needs, and how each end is reached', () => {
    const section = SECTIONS.get(type) ?? '';
    expect(section).toMatch(/role|permission/i);
    for (const status of ABNORMAL_STATUSES.filter(one => one !== 'PREEMPTED')) expect(section).toContain(status);
  });
});

test('every type is in the table', () => {
  for (const type of [...types.keys(), 'exec']) expect(TEXT).toContain(`| \`${type}\` |`);
});
