import { once } from 'node:events';
import {
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface GrpcProxy {
  /** `host:port` */
  host: string;
  /** The calls so far, in the order in which they came. */
  calls: string[];
  /** Bytes of messages that were answered, by method. */
  received: Record<string, number>;
  /** Runs when a call has been answered, before its client sees it; `cut` breaks the connection instead. */
  onAnswer(step: (method: string) => Promise<'pass' | 'cut'>): void;
  /** Breaks all connections and takes no more, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Stands between a gRPC client and its server; it ends with the test. */
export async function grpcProxy(upstreamHost: string): Promise<GrpcProxy> {
  const calls: string[] = [];
  const received: Record<string, number> = {};
  const upstream = connect(`http://${upstreamHost}`).on('error', () => {});
  const sessions = new Set<Http2Session>();
  let step = async (_method: string): Promise<'pass' | 'cut'> => 'pass';
  let port = 0;

  function forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const method = String(headers[':path']).split('/').at(-1)!;
    calls.push(method);
    const call = upstream.request(headers, { endStream: false });
    let trailers: IncomingHttpHeaders = {};
    stream.on('error', () => call.close(constants.NGHTTP2_CANCEL)).on('close', () => call.close());
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.pipe(call);
    call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    call.on('trailers', found => (trailers = found));
    call.on('response', (answer, flags) => void respond(stream, call, method, answer, flags));
  }

  async function respond(
    stream: ServerHttp2Stream,
    call: ClientHttp2Stream,
    method: string,
    answer: IncomingHttpHeaders,
    flags: number,
  ): Promise<void> {
    const decision = await step(method);
    if (decision === 'cut') stream.session?.destroy();
    if (stream.destroyed) return;
    // An error may come without a message: its headers are its trailers.
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, endStream ? { endStream } : { waitForTrailers: true });
    call.on('data', (chunk: Buffer) => (received[method] = (received[method] ?? 0) + chunk.length));
    call.pipe(stream);
  }

  let server = listener();
  function listener() {
    return createServer()
      .on('session', session => {
        sessions.add(session);
        session.on('close', () => sessions.delete(session)).on('error', () => {});
      })
      .on('stream', forward);
  }

  const proxy: GrpcProxy = {
    host: '',
    calls,
    received,
    onAnswer: given => void (step = given),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
    async start() {
      server = listener();
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
      proxy.host = `127.0.0.1:${port}`;
    },
  };
  await proxy.start();
  onTestFinished(async () => {
    if (server.listening) await proxy.stop();
    upstream.destroy();
  });
  return proxy;
}
