import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createExecType } from '../../shared/adapters/exec/index.ts';
import type { QuestDesc } from '../../shared/core/quest.ts';
import { type AdapterFixture, adapterContract } from '../contracts/adapter.ts';
import { linesIn, temporaryDirectory } from '../support/exec-adapter.ts';
import { fakeServices } from '../support/services.ts';

const bad = (distributorParameters: QuestDesc['distributorParameters'], field: string) => ({
  quest: { distributorParameters },
  field: `distributorParameters${field}`,
});

/** Says that it started, then waits for a file of its own. */
const WAIT =
  'echo "$EXECUTION_ID" >> started; until [ -e "$EXECUTION_ID" ]; do sleep 0.01; done; echo "{\\"ok\\":true}"';

async function createFixture(): Promise<AdapterFixture> {
  const directory = temporaryDirectory();
  const type = createExecType({ directory, environment: process.env });
  const services = fakeServices();
  return {
    distributor: type.create({}, services),
    services,
    goodQuest: { distributorParameters: { command: ['sh', '-c', WAIT], cwd: directory } },
    badQuests: [
      bad({}, '.command'),
      bad({ command: 'true' }, '.command'),
      bad({ command: [] }, '.command'),
      bad({ command: [''] }, '.command[0]'),
      bad({ command: ['echo', 1] }, '.command[1]'),
      bad({ command: ['echo', 'a\0b'] }, '.command[1]'),
      bad({ command: ['true'], cwd: '' }, '.cwd'),
      bad({ command: ['true'], cwd: '/\0' }, '.cwd'),
      bad({ command: ['true'], env: ['A=1'] }, '.env'),
      bad({ command: ['true'], env: { A: 1 } }, '.env.A'),
      bad({ command: ['true'], env: { A: '\0' } }, '.env.A'),
      bad({ command: ['true'], env: { '1A': 'x' } }, '.env.1A'),
      bad({ command: ['true'], env: { 'A=B': 'x' } }, '.env.A=B'),
      bad({ command: ['true'], env: { '': 'x' } }, '.env'),
      bad({ command: ['true'], env: { ACTIVATION_TOKEN: 'x' } }, '.env.ACTIVATION_TOKEN'),
      bad({ command: ['true'], env: { EXECUTION_MARK: 'x' } }, '.env.EXECUTION_MARK'),
      bad({ command: ['true'], shell: true }, ''),
    ],
    async jobs() {
      const begun = (await services.documents.list({ limit: 100 })).items.length;
      return (await linesIn(join(directory, 'started'), begun)).length;
    },
    finishJob: async id => writeFileSync(join(directory, id), ''),
    close: () => type.close(),
  };
}

adapterContract('exec', createFixture);
