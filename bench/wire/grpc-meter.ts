import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type CallCounter, callCounter, type CallCounts, noCalls } from './call-counts.ts';

export interface GrpcMeter {
  /** `host:port` */
  host: string;
  readonly counts: CallCounts;
  reset(): void;
  close(): Promise<void>;
}

/** Stands between a client and an emulator and counts the calls; it passes every byte on unchanged. */
export async function startGrpcMeter(target: string): Promise<GrpcMeter> {
  let counts = noCalls();
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer();
  server.on('session', session => {
    const upstream = connect(`http://${target}`);
    for (const one of [session, upstream]) {
      sessions.add(one);
      one.on('error', () => {}).once('close', () => sessions.delete(one));
    }
    session.once('close', () => upstream.close());
    upstream.once('close', () => session.close());
    session.on('stream', (stream, headers) =>
      passOn(stream, headers, upstream, callCounter(counts, String(headers[':path']))),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get counts() {
      return counts;
    },
    reset() {
      counts = noCalls();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function passOn(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  session: ClientHttp2Session,
  counter: CallCounter,
): void {
  const upstream = session.request(headers, { endStream: false });
  let trailers: IncomingHttpHeaders = {};
  stream.on('data', counter.request).pipe(upstream);
  upstream.on('response', (answer, flags) => {
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      // Only trailers: an error, told at once.
      counter.end(codeOf(answer));
      stream.respond(answer, { endStream: true });
      return;
    }
    stream.respond(answer, { waitForTrailers: true });
    upstream.on('data', counter.response).pipe(stream);
  });
  upstream.on('trailers', received => {
    trailers = received;
    counter.end(codeOf(received));
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('error', () => {}).once('close', () => upstream.close(stream.rstCode));
  upstream
    .on('error', () => {})
    .once('close', () => {
      if (upstream.rstCode !== constants.NGHTTP2_NO_ERROR) stream.close(upstream.rstCode);
    });
}

function codeOf(headers: IncomingHttpHeaders): number {
  return Number(headers['grpc-status'] ?? 2);
}
