import { runProgram } from './program.ts';
import { startStack } from './stack.ts';

/** `npm start`: the whole distributor in this process. */
runProgram(settings => startStack(settings), { stopping: 'commands end; the rest goes on at the next start' });
