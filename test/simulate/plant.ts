import { mutate } from '../../simulate/mutants/load.ts';
import { MUTANTS } from '../../simulate/mutants/table.ts';

/** Loaded before a program: plants the mutant that the environment names, in this thread. */
const mutant = MUTANTS.find(({ name }) => name === process.env.MUTANT);
if (mutant !== undefined) mutate(mutant);
