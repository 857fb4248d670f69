import type { Reporter, TestModule } from 'vitest/node';

/** Prints the plain last line that any CI understands, and before it, loudly, what could not be run. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const missing = new Map<string, number>();
    for (const module of modules) {
      count.failed += module.errors().length;
      const reason = module.project.getProvidedContext().emulatorsMissing;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed' || state === 'skipped') count[state] += 1;
        if (state === 'skipped' && reason) missing.set(reason, (missing.get(reason) ?? 0) + 1);
      }
    }
    for (const [reason, tests] of missing)
      console.log(`\n!!! ${tests} tests on Google's emulators were NOT RUN\n!!! ${reason}`);
    const skipped = count.skipped === 0 ? '' : `, ${count.skipped} skipped`;
    console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
  }
}
