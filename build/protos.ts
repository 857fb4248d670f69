/** One node of a file of protobuf.js' JSON format: a namespace, a message, an enumeration or a service. */
export interface ProtoNode {
  options?: unknown;
  nested?: Record<string, ProtoNode>;
  fields?: Record<string, { type: string; options?: Record<string, unknown> }>;
  methods?: Record<string, { requestType: string; responseType: string; options?: unknown; parsedOptions?: unknown }>;
}

/**
 * What one service needs of such a file: its methods and the types that their requests and answers consist of, without
 * the annotations of google.api, which are for generators and for REST. Throws when there is no such service.
 */
export function reachable(root: ProtoNode, service: string): ProtoNode {
  const find = (name: string): ProtoNode | undefined =>
    name.split('.').reduce<ProtoNode | undefined>((node, part) => node?.nested?.[part], root);
  if (find(service)?.methods === undefined) throw new Error(`there is no service ${service}`);

  const kept = new Set<string>();
  function keep(name: string): void {
    if (name === '' || kept.has(name)) return;
    const { fields = {}, methods = {} } = find(name) ?? {};
    kept.add(name);
    keep(parentOf(name));
    const types = [
      ...Object.values(fields).map(({ type }) => type),
      ...Object.values(methods).flatMap(({ requestType, responseType }) => [requestType, responseType]),
    ];
    for (const type of types) keep(resolve(type, name));
  }

  /** A name as protobuf looks it up: from the innermost scope outwards. What is not found is a scalar. */
  function resolve(type: string, scope: string): string {
    if (type.startsWith('.')) return type.slice(1);
    const name = scope === '' ? type : `${scope}.${type}`;
    if (find(name) !== undefined) return name;
    return scope === '' ? '' : resolve(type, parentOf(scope));
  }

  function copy(node: ProtoNode, path: string): ProtoNode {
    const { options: _, nested = {}, fields, methods, ...rest } = node;
    const children = Object.entries(nested)
      .map(([name, child]) => [name, child, path === '' ? name : `${path}.${name}`] as const)
      .filter(([, , name]) => kept.has(name))
      .map(([name, child, childPath]) => [name, copy(child, childPath)]);
    return {
      ...rest,
      ...(methods && { methods: mapValues(methods, ({ options: _o, parsedOptions: _p, ...method }) => method) }),
      ...(fields && { fields: mapValues(fields, plainField) }),
      ...(children.length > 0 && { nested: Object.fromEntries(children) }),
    };
  }

  keep(service);
  return copy(root, '');
}

/** Options in parentheses are annotations; the others say how the field is encoded. */
function plainField({ options = {}, ...field }: NonNullable<ProtoNode['fields']>[string]) {
  const own = Object.entries(options).filter(([name]) => !name.startsWith('('));
  return { ...field, ...(own.length > 0 && { options: Object.fromEntries(own) }) };
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('.')));
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
