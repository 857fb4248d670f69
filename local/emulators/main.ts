import { runProgram } from '../program.ts';
import { startEmulatorStack } from './stack.ts';

/** `npm run start:emulators`: the functions as they are deployed, on Google's emulators. */
runProgram(settings => startEmulatorStack(settings, { report: line => console.log(line) }), {
  stopping: 'the emulators forget everything',
});
