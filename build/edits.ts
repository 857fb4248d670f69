import { readFile } from 'node:fs/promises';
import { sep } from 'node:path';
import type { Plugin } from 'esbuild';
import { type ProtoNode, reachable } from './protos.ts';

interface Edit {
  /** Must stand in its file exactly once: when a new version says it otherwise, the build fails, and not the function later. */
  find: string;
  /** Everything from there up to this is replaced, too. */
  upTo?: string;
  put: string;
}

/** A client of the locations API that nobody uses, but whose messages cost 5 % of a start. */
const NO_LOCATIONS: Edit = {
  find: 'this.locationsClient = new this._gaxModule.LocationsClient(this._gaxGrpc, opts);',
  put: 'this.locationsClient = { close: async () => {} };',
};

/** What is changed in the packages that are bundled. Files are below node_modules. */
export const EDITS: Readonly<Record<string, readonly Edit[]>> = {
  // JSON that is read at run time, from where the module lies; in a bundle that is nowhere.
  '@google-cloud/tasks/build/esm/src/v2/cloud_tasks_client.js': [
    { find: 'const dirname = path.dirname(fileURLToPath(import.meta.url));', put: '' },
    {
      find: "getJSON(path.join(dirname, 'cloud_tasks_client_config.json'))",
      put: "require('./cloud_tasks_client_config.json')",
    },
    {
      find: "getJSON(path.join(dirname, '..', '..', '..', 'protos/protos.json'))",
      put: "require('../../../protos/protos.json')",
    },
    {
      find: "getJSON(path.join(dirname, '..', '..', '..', '..', 'package.json'))",
      put: "require('../../../../package.json')",
    },
    NO_LOCATIONS,
  ],
  '@google-cloud/firestore-api/build/src/v1/firestore_client.js': [NO_LOCATIONS],
  // Classes of all messages, of which only updates use one.
  '@google-cloud/firestore/build/src/serializer.js': [
    {
      find: 'const firestore_v1_proto_api_1 = require("../protos/firestore_v1_proto_api");\nvar Value = firestore_v1_proto_api_1.google.firestore.v1.Value;',
      put: 'const Value = { fromObject: value => require("../protos/firestore_v1_proto_api").google.firestore.v1.Value.fromObject(value) };',
    },
  ],
  '@google-cloud/firestore-api/build/protos/protos.js': [
    { find: 'firestore.admin=function(){', upTo: 'firestore.v1=function(){', put: '' },
  ],
  // Descriptors of all messages, for reflection, which gRPC does not use.
  '@grpc/proto-loader/build/src/index.js': [
    { find: 'const descriptor = require("protobufjs/ext/descriptor");', put: 'const descriptor = {};' },
    { find: "const descriptorList = root.toDescriptor('proto3').file;", put: '' },
    {
      find: 'descriptorList.map(value => Buffer.from(descriptor.FileDescriptorProto.encode(value).finish()))',
      put: '[]',
    },
    { find: "const messageDescriptor = message.toDescriptor('proto3');", put: '' },
    { find: 'type: messageDescriptor.$type.toObject(messageDescriptor, descriptorOptions),', put: '' },
    { find: "const enumDescriptor = enumType.toDescriptor('proto3');", put: '' },
    { find: 'type: enumDescriptor.$type.toObject(enumDescriptor, descriptorOptions),', put: '' },
  ],
};

/** Of these files of messages only what the service needs: parsing them is much of a client's start. */
const SERVICES: Readonly<Record<string, string>> = {
  '@google-cloud/firestore-api/build/protos/protos.json': 'google.firestore.v1.Firestore',
  '@google-cloud/tasks/build/protos/protos.json': 'google.cloud.tasks.v2.CloudTasks',
  '@google-cloud/pubsub-api/build/protos/protos.json': 'google.pubsub.v1.Publisher',
};

export function createEdits(): Plugin {
  return {
    name: 'edits',
    setup(build) {
      const left = new Set([...Object.keys(EDITS), ...Object.keys(SERVICES)]);
      build.onLoad({ filter: /[\\/]node_modules[\\/]@(google-cloud|grpc)[\\/]/ }, async ({ path }) => {
        const file = path.slice(path.lastIndexOf('node_modules') + 'node_modules/'.length).replaceAll(sep, '/');
        if (!left.delete(file)) return undefined;
        const source = await readFile(path, 'utf8');
        const service = SERVICES[file];
        if (service === undefined) return { contents: edited(source, file), loader: 'js' };
        return { contents: JSON.stringify(reachable(JSON.parse(source) as ProtoNode, service)), loader: 'json' };
      });
      build.onEnd(() => ({ errors: [...left].map(file => ({ text: `${file} is not bundled; see build/edits.ts` })) }));
    },
  };
}

/** Throws when a text does not stand in its file exactly once. */
export function edited(source: string, file: string): string {
  return (EDITS[file] ?? []).reduce((text, { find, upTo, put }) => {
    for (const part of upTo === undefined ? [find] : [find, upTo]) {
      const times = text.split(part).length - 1;
      if (times !== 1) throw new Error(`${file} has ${times} times, not once, "${part}"; see build/edits.ts`);
    }
    const start = text.indexOf(find);
    const end = upTo === undefined ? start + find.length : text.indexOf(upTo);
    return text.slice(0, start) + put + text.slice(end);
  }, source);
}
