import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** A world leaves much garbage behind, and little else. */
const RESOURCES = { maxYoungGenerationSizeMb: 64 };

export const CORES = availableParallelism();

/** A thread that answers one question at a time; an error in it is one of the answer. */
export interface Thread<Question, Answer> {
  ask(question: Question): Promise<Answer>;
  close(): Promise<unknown>;
}

export function startThread<Question, Answer>(file: string): Thread<Question, Answer> {
  const worker = new Worker(new URL(file, import.meta.url), { resourceLimits: RESOURCES });
  let waiting: PromiseWithResolvers<Answer> | undefined;
  worker.on('message', (answer: Answer) => waiting?.resolve(answer));
  worker.on('error', error => waiting?.reject(error));
  return {
    ask(question) {
      waiting = Promise.withResolvers<Answer>();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(question);
      return waiting.promise;
    },
    close: () => worker.terminate(),
  };
}

/** Has the threads of all cores ask for as long as there is a next question; none is left behind, come what may. */
export async function onAllCores<Question, Answer>(
  start: () => Thread<Question, Answer>,
  next: () => Question | undefined,
  hear: (answer: Answer) => void,
): Promise<void> {
  async function core(): Promise<void> {
    let thread: Thread<Question, Answer> | undefined;
    try {
      for (let question = next(); question !== undefined; question = next()) {
        thread ??= start();
        hear(await thread.ask(question));
      }
    } finally {
      await thread?.close();
    }
  }
  await Promise.all(Array.from({ length: CORES }, core));
}
