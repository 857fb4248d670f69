import { createServer } from 'node:net';
import { FUNCTION_NAMES, type FunctionName } from '../../functions/wiring.ts';

/** Below those from which systems choose by themselves, so that a function that is started again finds its port free. */
const FIRST = 20_000;
const COUNT = 12_000;

/** The ports of the five functions: `port` and the four after it, or five free ones for 0. */
export async function portsFrom(port: number): Promise<Record<FunctionName, number>> {
  const first = port === 0 ? await freeRow() : port;
  const ports = FUNCTION_NAMES.map((name, i) => [name, first + i] as const);
  for (const [name, taken] of ports)
    if (!(await isFree(taken))) throw new Error(`PORT: port ${taken} (${name}) is in use; choose another with PORT=…`);
  return Object.fromEntries(ports) as Record<FunctionName, number>;
}

async function freeRow(): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * COUNT);
    const free = await Promise.all(FUNCTION_NAMES.map((_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

/** On all addresses, since functions-framework listens on all. */
function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
