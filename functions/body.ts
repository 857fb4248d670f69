import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { ApiError, TransientError } from '../shared/core/errors.ts';

/**
 * Bodies are capped before anything parses them. functions-framework would parse and gunzip up to 1 GiB before our code
 * runs (a gzip bomb of 400 KB costs it seconds and 800 MB). So, as a request starts, the headers by which its parsers
 * recognise a body are put aside; they skip, and `readBody` reads the stream itself.
 */
const BODY_HEADERS = ['content-length', 'transfer-encoding', 'content-encoding'] as const;
type BodyHeaders = Partial<Record<(typeof BODY_HEADERS)[number], string>>;

const aside = new WeakMap<IncomingMessage, BodyHeaders>();

/** To be called once, before a server starts that puts parsers in front of the function. */
export function keepParsersAway(): void {
  subscribe('http.server.request.start', message => {
    const { request } = message as { request: IncomingMessage };
    const kept: BodyHeaders = {};
    for (const name of BODY_HEADERS) {
      const value = request.headers[name];
      if (value !== undefined) kept[name] = value;
      delete request.headers[name];
    }
    aside.set(request, kept);
  });
}

/** The body as text. Throws ApiError: over the cap, compressed, or of another content type than JSON. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const headers = { ...request.headers, ...aside.get(request) };
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return '';
  const [contentType = ''] = (headers['content-type'] ?? '').split(';');
  if (contentType.trim().toLowerCase() !== 'application/json') {
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', 'Content-Type: must be application/json');
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding: compressed bodies are not accepted');
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new TransientError('the body was cut off', { cause: error });
  }
  if (bytes > maxBytes) throw tooLarge(maxBytes);
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError('PAYLOAD_TOO_LARGE', `body: larger than ${maxBytes} bytes`);
}
