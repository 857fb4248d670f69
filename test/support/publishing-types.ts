import { ADAPTER_TYPES as LOCAL_TYPES } from '../../local/emulators/types.ts';
import { type DistributorType, ownTopic } from '../../shared/adapters/contract.ts';
import { executionOfName } from '../../shared/adapters/execution-name.ts';
import { type HttpConfig, httpConfigSchema } from '../../shared/adapters/http/config.ts';
import { httpType } from '../../shared/adapters/http/index.ts';

/** `http` for services that publish by themselves, and say only which of their jobs has changed: in the attribute `job`. */
const publishing: DistributorType<HttpConfig> = {
  ...httpType,
  type: 'publishing',
  configSchema: httpConfigSchema.extend(ownTopic),
  create: (config, services) => ({
    ...httpType.create(config, services),
    executionOf: ({ attributes }) => executionOfName(attributes.job ?? ''),
  }),
};

export const ADAPTER_TYPES: readonly DistributorType[] = [...LOCAL_TYPES, publishing];
