import type { ExecutionId } from '../core/ids.ts';
import { sha256 } from '../core/json.ts';

/**
 * The request id of an execution's start, for services that deduplicate by a UUID: always the same for the same execution.
 * A name-based UUID in its form (RFC 9562 §5.5: version 5, which every validator knows), by SHA-256.
 */
export function executionUuid(id: ExecutionId): string {
  const bytes = sha256(id).subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
