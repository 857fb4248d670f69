import type { Plugin } from 'esbuild';
import { ROOT } from './entry.ts';

const NAMED = 'named';

/**
 * `const { a } = await import('package')`, where the package is CommonJS: Node finds its names, but a chunk of esbuild's
 * would have only a default. So the names that Node finds are written down.
 */
export const lazyImports: Plugin = {
  name: 'lazy-imports',
  setup(build) {
    build.onResolve({ filter: /^[^.]/ }, ({ path, kind, importer }) => {
      const isOurs = kind === 'dynamic-import' && !/[\\/]node_modules[\\/]/.test(importer);
      return isOurs ? { path, namespace: NAMED } : undefined;
    });
    build.onLoad({ filter: /.*/, namespace: NAMED }, async ({ path }) => {
      const names = Object.keys((await import(path)) as object).filter(name =>
        /^(?!default$)[A-Za-z_$][\w$]*$/.test(name),
      );
      return { contents: `export { ${names.join(', ')} } from ${JSON.stringify(path)};`, resolveDir: ROOT };
    });
  },
};
