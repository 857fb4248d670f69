import { Agent, request } from 'node:http';

export interface Caller {
  /** Resolves with the answer's JSON. Rejects when the status is not 2xx. */
  call(method: 'GET' | 'POST', url: string, body?: object, headers?: Record<string, string>): Promise<unknown>;
  close(): void;
}

/** Built-in fetch would cost a third of the rate. */
export function createCaller(): Caller {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' });
  return {
    call: (method, url, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) };
        const all = { 'content-type': 'application/json', ...length, ...headers };
        const outgoing = request(url, { agent, method, headers: all }, response => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          response.once('end', () => {
            const answer = Buffer.concat(chunks).toString();
            const { statusCode = 0 } = response;
            if (statusCode >= 200 && statusCode < 300) resolve(JSON.parse(answer));
            else reject(new Error(`${method} ${url}: ${statusCode} ${answer}`));
          });
        });
        outgoing.once('error', reject);
        outgoing.end(text);
      }),
    close: () => agent.destroy(),
  };
}
