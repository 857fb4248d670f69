import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface JobServer {
  url: string;
  close(): void;
}

/** Serves calls that are jobs, on a free port of this machine. */
export async function listenForJobs(listener: RequestListener): Promise<JobServer> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/job`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
