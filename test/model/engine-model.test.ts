import fc from 'fast-check';
import { test } from 'vitest';
import { MODES } from '../../shared/core/quest.ts';
import { COMMANDS, comeToRest } from './commands.ts';
import { createSystem } from './system.ts';

test.each(MODES)(
  'whatever happens to %s attempts, a client sees what the model says, and in the end nothing is owed',
  async mode => {
    await fc.assert(
      fc.asyncProperty(COMMANDS, async commands => {
        const system = createSystem(mode);
        const { model } = system;
        await fc.asyncModelRun(() => ({ model, real: system }), commands);
        await comeToRest(model, system);
      }),
      { numRuns: 300 },
    );
  },
);
