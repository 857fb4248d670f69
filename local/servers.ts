import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FUNCTION_NAMES, type FunctionName } from '../functions/wiring.ts';
import type { HttpFunction } from '../functions/http.ts';

/** Longer than any client's own, so that it is never the server that hangs up on a request under way. */
const KEEP_ALIVE_MS = 65_000;

export interface Servers {
  urls: Record<FunctionName, string>;
  serve(functions: Record<FunctionName, HttpFunction>): void;
  close(): Promise<void>;
}

/** Binds the five ports before there is anything to serve, since a job's URL is part of what is served. */
export async function openServers(port: number): Promise<Servers> {
  let functions: Record<FunctionName, HttpFunction> | undefined;
  const servers = new Map<FunctionName, Server>();
  const close = async () => {
    await Promise.all([...servers.values()].map(closeServer));
  };
  try {
    for (const [i, name] of FUNCTION_NAMES.entries()) {
      const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) =>
        functions === undefined ? unavailable(request, response) : void functions[name](request, response),
      );
      await listen(server, port === 0 ? 0 : port + i, name);
      servers.set(name, server);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const urlOf = (name: FunctionName) => `http://127.0.0.1:${(servers.get(name)!.address() as AddressInfo).port}`;
  return {
    urls: Object.fromEntries(FUNCTION_NAMES.map(name => [name, urlOf(name)])) as Record<FunctionName, string>,
    serve: wired => {
      functions = wired;
    },
    close,
  };
}

function listen(server: Server, port: number, name: FunctionName): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      reject(inUse ? new Error(`PORT: port ${port} (${name}) is in use; choose another with PORT=…`) : error);
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}

function unavailable(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(503, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { code: 503, status: 'UNAVAILABLE', message: 'starting' } }));
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Long polls would keep it open for minutes.
    setTimeout(() => server.closeAllConnections(), 500).unref();
  });
}
