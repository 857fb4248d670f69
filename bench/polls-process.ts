import { inTemporaryDirectory } from './load.ts';
import { measurePolls, type Service } from './polls-bed.ts';

/** A process of its own, whose memory nobody else has used. */
const [service, open] = process.argv.slice(2);
process.send?.(await inTemporaryDirectory(directory => measurePolls(directory, service as Service, Number(open))));
process.disconnect();
