import { test } from 'vitest';
import type { Handle } from '../../shared/adapters/contract.ts';
import { describeTask, questOf } from '../support/drive.ts';
import { createTesAdapter, GOOD_TASK, serveTes } from '../support/fakes/tes.ts';
import { expectGolden } from '../support/golden.ts';
import type { ReceivedRequest } from '../support/http-server.ts';

const EVERYTHING = {
  executors: [
    {
      image: 'quay.io/biocontainers/samtools:1.22',
      command: ['samtools', 'sort', '/data/in.bam'],
      workdir: '/data',
      stdin: '/data/in.bam',
      stdout: '/data/out.bam',
      stderr: '/data/errors',
      env: { THREADS: '4' },
      ignore_error: true,
    },
    { image: 'alpine:3.22', command: ['gzip', '/data/errors'] },
  ],
  inputs: [
    { name: 'reads', description: 'to be sorted', url: 's3://bucket/in.bam', path: '/data/in.bam', type: 'FILE' },
    { path: '/data/settings.ini', content: 'a = b\n' },
    { url: 's3://bucket/reference/', path: '/reference', type: 'DIRECTORY', streamable: true },
  ],
  outputs: [
    { name: 'sorted', description: 'by position', url: 's3://bucket/out.bam', path: '/data/out.bam', type: 'FILE' },
    { url: 's3://bucket/logs/', path: '/data/*.log', path_prefix: '/data' },
  ],
  resources: { cpu_cores: 4, ram_gb: 7.5, disk_gb: 100, preemptible: true, zones: ['eu-west-1'] },
  volumes: ['/scratch'],
};

test('every request that is sent', async () => {
  const service = await serveTes();
  const shown: ReceivedRequest[] = [];
  /** What is done outside of this is shown elsewhere. */
  async function show<T>(act: () => Promise<T>): Promise<T> {
    const before = service.requests.length;
    const outcome = await act();
    shown.push(...service.requests.slice(before));
    return outcome;
  }

  const minimal = questOf({ distributorParameters: GOOD_TASK });
  const full = questOf({ distributorParameters: EVERYTHING, parameters: { sample: 'NA12878' } });
  const { distributor } = createTesAdapter(service, {
    tags: { PROJECT: 'atlas' },
    backendParameters: { VmSize: 'Standard_D64_v3' },
    backendParametersStrict: true,
  });
  const start = async (execution: number, quest = minimal): Promise<Required<Handle>> => {
    const task = describeTask(quest, { execution });
    return { executionId: task.executionId, token: (await distributor.run(task)).token };
  };
  const setState = ({ executionId }: Handle, state: string) => {
    service.taskOf(executionId).state = state;
  };

  // A start without credentials, with as little as there can be; one with everything; the same again.
  const plain = createTesAdapter(service, { authorization: undefined }).distributor;
  await show(() => plain.run(describeTask(minimal)));
  const job = await show(() => start(1, full));
  await show(() => start(1, full));

  // While it runs, when it is complete, when it has failed.
  for (const state of ['RUNNING', 'COMPLETE', 'EXECUTOR_ERROR']) {
    setState(job, state);
    await show(() => distributor.getStatus(job, full));
  }

  const next = await start(2);
  await show(() => distributor.cancel(next, minimal));
  await show(() => distributor.cancel({ executionId: next.executionId }, minimal));

  // Many, of which one has ended.
  const many: Required<Handle>[] = [];
  for (let execution = 3; execution <= 7; execution++) many.push(await start(execution));
  many.forEach((handle, i) => setState(handle, ['COMPLETE', 'RUNNING', 'QUEUED'][i % 3]!));
  setState(many[3]!, 'PAUSED');
  await show(async () => distributor.getStatuses?.(many));

  expectGolden('tes', shown);
});
