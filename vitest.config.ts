import { defineConfig } from 'vitest/config';

/** Their runs need Google's emulators, which take seconds to start. */
const GOOGLE = ['test/google/**/*.test.ts', 'test/emulators/**/*.test.ts', 'test/e2e/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    // Most tests wait for processes and emulators; the default leaves one core of two idle.
    maxWorkers: 2,
    reporters: ['default', './test/closing-line.ts'],
    projects: [
      { extends: true, test: { name: 'embedded', include: ['test/**/*.test.ts'], exclude: GOOGLE } },
      {
        extends: true,
        test: {
          name: 'google',
          include: GOOGLE,
          globalSetup: 'test/support/emulators.ts',
          // There is none, and looking for one takes seconds.
          env: { METADATA_SERVER_DETECTION: 'none' },
        },
      },
    ],
  },
});
