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
        const result = test.result();
        const { state } = result;
        if (state === 'passed' || state === 'failed' || state === 'skipped') count[state] += 1;
        const why = state === 'skipped' ? (reason ?? result.note) : undefined;
        if (why) missing.set(why, (missing.get(why) ?? 0) + 1);
      }
    }
    for (const [reason, tests] of missing) console.log(`\n!!! ${tests} tests were NOT RUN\n!!! ${reason}`);
    const skipped = count.skipped === 0 ? '' : `, ${count.skipped} skipped`;
    console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
  }
}
