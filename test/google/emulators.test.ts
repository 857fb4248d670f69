import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { startFirestoreEmulator, startPubSubEmulator } from '../../local/emulators/google.ts';
import { NODE } from '../support/stack.ts';
import { describeWithEmulators } from '../support/with-emulators.ts';

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describeWithEmulators('emulators', hosts => {
  test('of this run answer', async () => {
    for (const host of [hosts.firestore, hosts.pubsub]) expect((await fetch(`http://${host}/`)).status).toBe(200);
  });

  test('are gone once closed, and start again at the same port', async () => {
    const first = await startFirestoreEmulator();
    await first.close();
    expect(isAlive(first.pid)).toBe(false);
    const second = await startFirestoreEmulator({ port: Number(first.host.split(':')[1]) });
    await second.close();
    expect(second.host).toBe(first.host);
  });

  test.each([startFirestoreEmulator, startPubSubEmulator])('say why they do not start: %o', async start => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(start({ port })).rejects.toThrow(/did not start: [^]*Address already in use/);
  });

  test('do not outlive the process that started them, even when it is killed', async () => {
    const script = `
      const { startPubSubEmulator } = await import(${JSON.stringify(import.meta.resolve('../../local/emulators/google.ts'))});
      console.log((await startPubSubEmulator()).pid);
      process.kill(process.pid, 'SIGKILL');`;
    const starter = spawn(NODE, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(await text(starter.stdout));
    onTestFinished(() => void (isAlive(pid) && process.kill(pid, 'SIGKILL')));
    expect(pid).toBeGreaterThan(0);
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});
