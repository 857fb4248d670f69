import { defineConfig } from 'vitest/config';

/** Their runs need Google's emulators, which take seconds to start. */
const GOOGLE = ['test/google/**/*.test.ts', 'test/emulators/**/*.test.ts'];

/** Still being settled: by name only, with E2E=1. */
const E2E = ['test/e2e/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    reporters: ['default', './test/closing-line.ts'],
    projects: [
      { extends: true, test: { name: 'embedded', include: ['test/**/*.test.ts'], exclude: [...GOOGLE, ...E2E] } },
      {
        extends: true,
        test: {
          name: 'google',
          include: process.env.E2E === '1' ? [...GOOGLE, ...E2E] : GOOGLE,
          globalSetup: 'test/support/emulators.ts',
          // There is none, and looking for one takes seconds.
          env: { METADATA_SERVER_DETECTION: 'none' },
        },
      },
    ],
  },
});
