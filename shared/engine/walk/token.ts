import { InvalidArgument } from '../../core/errors.ts';
import { type AttemptId, isAttemptId } from '../../core/ids.ts';
import { parseJson, sha256 } from '../../core/json.ts';

/** A place in a walk: attempts come by their depth, and those of one depth by their ids. */
export interface Position {
  depth: number;
  id: AttemptId;
}

/** The same for equal walks. `parts` are in a normal form, so that their JSON is, too. */
export function hashOfWalk(parts: readonly unknown[]): string {
  return sha256(JSON.stringify(parts)).toString('base64url');
}

/**
 * A page token holds all that is known of a walk, so that nothing has to be kept between two pages. It opens nothing: its
 * hash is no signature, and only shows that it belongs to this walk and was not garbled.
 */
export function encodePageToken({ depth, id }: Position, walk: string): string {
  return Buffer.from(JSON.stringify([depth, id, hashOfWalk([walk, depth, id])])).toString('base64url');
}

/** Throws InvalidArgument, naming `pageToken`. */
export function decodePageToken(token: string, walk: string): Position {
  const content = parseJson(Buffer.from(token, 'base64url').toString());
  const [depth, id] = Array.isArray(content) ? content : [];
  if (typeof depth === 'number' && typeof id === 'string' && isAttemptId(id)) {
    // What is no base64url is passed over when it is decoded.
    if (encodePageToken({ depth, id }, walk) === token) return { depth, id };
  }
  throw new InvalidArgument('pageToken', 'is not one that this walk gave');
}
