import { sep } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Google's clients export what they never use themselves: static classes of all their messages (up to 1 MB a package) and
 * clients of other versions and of administration. Node has to read all of a bundle, so leaving these out saves a quarter
 * of a cold start. Each is imported by one module of its package; where that is no longer so, the build fails.
 */
const UNUSED: readonly { package: string; imports: RegExp; from: RegExp }[] = [
  { package: '@google-cloud/firestore-api', imports: /\/protos\/protos(\.js)?$/, from: /build\/src\/index\.js$/ },
  { package: '@google-cloud/firestore-api', imports: /\/firestore_admin_client$/, from: /build\/src\/v1\/index\.js$/ },
  { package: 'google-gax', imports: /\/protos\/(iam_service|locations|operations)$/, from: /build\/src\/index\.js$/ },
  {
    package: 'google-gax',
    imports: /\/protos\/(iam_service|locations|operations)$/,
    from: /build\/src\/fallback\.js$/,
  },
  { package: '@google-cloud/tasks', imports: /\/protos\/protos(\.js)?$/, from: /build\/esm\/src\/index\.js$/ },
  { package: '@google-cloud/tasks', imports: /\/v2beta\d\/index\.js$/, from: /build\/esm\/src\/index\.js$/ },
  { package: '@google-cloud/pubsub', imports: /\/protos\/protos(\.js)?$/, from: /build\/src\/index\.js$/ },
  { package: '@google-cloud/pubsub-api', imports: /\/protos\/protos(\.js)?$/, from: /build\/src\/index\.js$/ },
];

const EMPTY = 'empty';

export function createPrune(): Plugin {
  return {
    name: 'prune',
    setup(build) {
      const met = new Set<number>();
      build.onStart(() => met.clear());
      build.onResolve({ filter: /protos|v2beta|admin_client/ }, ({ path, importer }) => {
        const from = importer.replaceAll(sep, '/');
        const index = UNUSED.findIndex(
          unused => from.includes(`/${unused.package}/`) && unused.imports.test(path) && unused.from.test(from),
        );
        if (index < 0) return undefined;
        met.add(index);
        // The path gets into the bundle, which must not tell of the machine.
        return { path: `${from.slice(from.lastIndexOf('/node_modules/') + 1)}/${path}`, namespace: EMPTY };
      });
      build.onLoad({ filter: /.*/, namespace: EMPTY }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
      build.onEnd(() => ({
        errors: UNUSED.filter((_, index) => !met.has(index)).map(unused => ({
          text: `${unused.package} no longer imports ${unused.imports} where it did; see build/prune.ts`,
        })),
      }));
    },
  };
}
