import { parseDuration } from '../../core/duration.ts';
import type { ExecutionId } from '../../core/ids.ts';
import type { QuestDesc } from '../../core/quest.ts';
import type { TaskStatus } from '../../core/result.ts';
import type { HttpResponse, Services, TaskDescription } from '../contract.ts';
import type { HttpConfig } from './config.ts';
import { isSecretReference } from './headers.ts';
import { checkCancelled, MAX_BODY_BYTES, type Outcome, outcomeOf, outcomeOfError, statusOf } from './outcome.ts';
import { type CallParameters, fillUrl } from './parameters.ts';
import { strike } from '../strike.ts';

/** The service that does the work, as the adapter calls it. */
export interface Service {
  /** Makes the call that is the job. Never rejects. */
  call(task: TaskDescription): Promise<Outcome>;
  /** Asks `statusUrl`. Rejects finally when the service knows no such job. */
  status(url: string, job: AcceptedJob): Promise<TaskStatus>;
  /** Calls `cancelUrl`. Succeeds when the job is gone already. */
  cancel(url: string, job: AcceptedJob): Promise<void>;
}

export interface AcceptedJob {
  executionId: ExecutionId;
  /** The service's own. */
  token: string;
  parameters: CallParameters;
}

export function createService(
  config: HttpConfig,
  services: Services,
  parametersOf: (quest: QuestDesc) => CallParameters,
): Service {
  const timeoutMs = parseDuration(config.requestTimeout);
  const { allowedHosts } = config;
  const { http, clock } = services;

  /** The distributor's own headers. Secrets are read each time, since they change. */
  function configured(): { headers: Record<string, string>; secrets: string[] } {
    const headers = Object.entries(config.headers).map(
      ([name, value]) => [name, isSecretReference(value) ? services.secret(value) : value] as const,
    );
    const secrets = headers.filter(([name]) => isSecretReference(config.headers[name] ?? ''));
    return { headers: Object.fromEntries(headers), secrets: secrets.map(([, value]) => value) };
  }

  async function call(task: TaskDescription): Promise<Outcome> {
    const { quest, executionId, executionUrl, executionAuth } = task;
    const { url, method, headers } = parametersOf(quest);
    const own = configured();
    const { topic, attributes, notifyUrl } = task.prepareTopic();
    const response = await http.request({
      url,
      method,
      headers: {
        accept: 'application/json',
        ...headers,
        ...own.headers,
        ...(method !== 'GET' && { 'content-type': 'application/json' }),
        'idempotency-key': executionId,
        'x-execution-id': executionId,
        'x-notify-url': notifyUrl,
        'x-notify-topic': topic,
        'x-auth-token': attributes.auth_token,
        ...(quest.meta.mode === 'interactive' && {
          'x-execution-url': executionUrl,
          'x-activation-token': executionAuth.activationToken,
        }),
      },
      ...(method !== 'GET' && { body: JSON.stringify(quest.parameters) }),
      allowedHosts,
      timeoutMs,
      maxBytes: MAX_BODY_BYTES,
    });
    return outcomeOf(response, [...own.secrets, attributes.auth_token, executionAuth.activationToken], clock.now());
  }

  async function ask(
    url: string,
    method: string,
    { executionId, token, parameters }: AcceptedJob,
  ): Promise<HttpResponse> {
    const own = configured();
    const response = await http.request({
      url: fillUrl(url, { token, executionId }),
      method,
      headers: {
        accept: 'application/json',
        ...parameters.headers,
        ...own.headers,
        'idempotency-key': executionId,
        'x-execution-id': executionId,
      },
      allowedHosts,
      timeoutMs,
      maxBytes: MAX_BODY_BYTES,
    });
    return { ...response, body: strike(response.body, own.secrets) };
  }

  return {
    call: task => call(task).catch(outcomeOfError),
    status: async (url, job) => statusOf(await ask(url, 'GET', job), clock.now()),
    cancel: async (url, job) => checkCancelled(await ask(url, 'POST', job), clock.now()),
  };
}
