const HEADER_BYTES = 5;
const UNCOMPRESSED = 0;

/**
 * Hands on each message of one direction of a gRPC stream, however its bytes are cut: a flag, the length in four bytes,
 * the message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Throws for compressed ones.
 */
export function messageReader(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) return;
      if (rest[0] !== UNCOMPRESSED) throw new Error('a gRPC message is compressed; its content cannot be counted');
      take(rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
  };
}
