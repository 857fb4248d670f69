import { messageOf, TransientError } from '../core/errors.ts';
import { within } from './deadline.ts';

/** What the generated clients have in common. */
interface GeneratedClient {
  initialize(): Promise<unknown>;
  close(): Promise<void>;
}

export interface LazyClient<Client> {
  /** Rejects with TransientError: nothing was sent, and the next call opens anew. */
  get(): Promise<Client>;
  close(): Promise<void>;
}

/** Credentials may have to be asked for. */
const OPEN_WITHIN_MS = 10_000;

/** Loads and opens a client at its first use, once. A failure is not kept. */
export function lazyClient<Client extends GeneratedClient>(
  name: string,
  create: () => Promise<Client>,
): LazyClient<Client> {
  let opening: Promise<Client> | undefined;
  let closed = false;

  async function open(): Promise<Client> {
    const client = await create();
    // The clients do this by themselves at their first call, but keep its failure for ever and leave it unhandled, which
    // ends the process.
    await client.initialize();
    return client;
  }

  async function get(): Promise<Client> {
    if (closed) throw new TransientError(`${name} is closed`);
    const mine = (opening ??= within(OPEN_WITHIN_MS, `open ${name}`, open));
    try {
      return await mine;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw new TransientError(`${name} cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }

  return {
    get,
    async close() {
      closed = true;
      const client = await opening?.catch(() => undefined);
      await client?.close();
    },
  };
}
