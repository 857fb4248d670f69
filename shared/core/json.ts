import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import { InvalidArgument } from './errors.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export type JsonObject = { [key: string]: JsonValue };

/** Parameters and results: at most this many bytes of canonical JSON each. */
export const MAX_JSON_BYTES = 256 * 1024;

/** Deeper JSON is refused before anything recursive touches it. */
export const MAX_JSON_DEPTH = 100;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 8785. Throws InvalidArgument for what that form cannot express: lone surrogates, NaN, undefined. */
export function canonicalJson(value: JsonValue, field = ''): string {
  if (depthExceeds(value, MAX_JSON_DEPTH))
    throw new InvalidArgument(field, `nested deeper than ${MAX_JSON_DEPTH} levels`);
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (error) {
    throw new InvalidArgument(field, `cannot be written as canonical JSON: ${(error as Error).message}`);
  }
  if (text === undefined) throw new InvalidArgument(field, 'is not a JSON value');
  return text;
}

/** The canonical text of an object of at most 256 KiB. Throws InvalidArgument naming `field`. */
export function canonicalObject(value: unknown, field: string): string {
  if (!isJsonObject(value)) throw new InvalidArgument(field, 'must be a JSON object');
  const text = canonicalJson(value, field);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_JSON_BYTES)
    throw new InvalidArgument(field, `is ${bytes} bytes of JSON, more than ${MAX_JSON_BYTES}`);
  return text;
}

/** A copy whose keys stand in canonical order: equal values are then written as equal bytes, wherever they were read. */
export function canonicalCopy<T extends JsonObject>(value: T): T {
  return JSON.parse(canonicalJson(value)) as T;
}

/** `JSON.parse` that answers `undefined` instead of throwing. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A schema for objects that are carried, not looked into; their size and form were checked where they came in. */
export const jsonObjectSchema = z.custom<JsonObject>(isJsonObject, 'must be a JSON object');

function depthExceeds(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const child of Array.isArray(value) ? value : Object.values(value)) {
    if (depthExceeds(child, levels - 1)) return true;
  }
  return false;
}
