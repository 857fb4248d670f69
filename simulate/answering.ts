import { type MessagePort, parentPort } from 'node:worker_threads';

/** In a thread: answers each question that comes. */
export function answering(answer: (question: never) => Promise<unknown>): void {
  const parent = parentPort as MessagePort;
  parent.on('message', (question: unknown) => {
    const answered = async () => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
      parent.postMessage(await answer(question as never));
    };
    void answered();
  });
}
