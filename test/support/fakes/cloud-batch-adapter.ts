import { cloudBatchType } from '../../../shared/adapters/cloud-batch/index.ts';
import type { Distributor, Services } from '../../../shared/adapters/contract.ts';
import { parseWith } from '../../../shared/core/validation.ts';
import type { FakeServices } from '../drive.ts';
import { impatientHttp } from '../fake-service.ts';
import { fakeServices } from '../services.ts';
import { ACCOUNT, type FakeBatch, LOCATION, PROJECT, serveCloudBatch } from './cloud-batch.ts';

export const IMAGE = 'us-docker.pkg.dev/acme-jobs/images/encode@sha256:0123abcd';
export const CONFIG = { project: PROJECT, location: LOCATION, serviceAccounts: [ACCOUNT] };

export interface BatchSetup {
  service: FakeBatch;
  services: FakeServices;
  distributor: Distributor;
  /** The full name of a job. */
  nameOf(job: string): string;
}

/** A distributor with a fake of Cloud Batch behind it. */
export async function createBatch(config: object = {}, overrides: Partial<Services> = {}): Promise<BatchSetup> {
  const service = await serveCloudBatch();
  const services = fakeServices({ http: impatientHttp, accessToken: async () => 'ya29.secret', ...overrides });
  const distributor = createDistributor({ endpoint: service.url, ...config }, services);
  return { service, services, distributor, nameOf: job => `projects/${PROJECT}/locations/${LOCATION}/jobs/${job}` };
}

export function createDistributor(config: object = {}, services: Services = fakeServices()): Distributor {
  return cloudBatchType.create(parseWith(cloudBatchType.configSchema, { ...CONFIG, ...config }, 'config'), services);
}
