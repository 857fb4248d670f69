import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Waits for a word on its input. When the input closes without one, whoever held its other end is gone, be it by SIGKILL:
 * then it ends the process `$1`, with a moment for what that has to end itself.
 */
const WATCHMAN = 'read -r _ || { kill -TERM "$1"; sleep 1; kill -KILL "$1"; }';

/** Sees to it that a child does not outlive this process. `exited` dismisses the watchman, whatever it resolves with. */
export function guard(child: ChildProcess, exited: Promise<unknown>): void {
  const watchman = spawn('/bin/sh', ['-c', WATCHMAN, 'sh', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchman.on('error', () => child.kill('SIGKILL'));
  watchman.stdin.on('error', () => {});
  // At once, since the number may be another's from now on.
  const dismiss = () => void watchman.stdin.end('\n');
  exited.then(dismiss, dismiss);
}
