import { z } from 'zod';
import type { JsonObject } from '../../core/json.ts';
import { type AbnormalStatus, abnormal, finished, pending, running, type TaskStatus } from '../../core/result.ts';
import { oneLine } from '../remote-text.ts';
import { sourceSchema } from './source.ts';

const text = z.string().optional();

/** A UUID so far. */
export const buildIdSchema = z.string().regex(/^[\w-]{1,100}$/);

/** The part of a Build (google/devtools/cloudbuild/v1/cloudbuild.proto) that is read. proto3 leaves out zero values. */
export const buildSchema = z.object({
  id: buildIdSchema,
  status: text,
  statusDetail: text,
  createTime: text,
  logUrl: text,
  tags: z.array(z.string()).optional(),
  failureInfo: z.object({ type: text, detail: text }).optional(),
  steps: z.array(z.object({ id: text, name: text, status: text, exitCode: z.number().optional() })).optional(),
  results: z
    .object({
      images: z.array(z.object({ name: text, digest: text })).optional(),
      /** By the index of the step. */
      buildStepImages: z.array(z.string()).optional(),
      artifactManifest: text,
      numArtifacts: text,
    })
    .optional(),
  sourceProvenance: z
    .object({
      resolvedStorageSource: z.object({ bucket: text, object: text, generation: text }).optional(),
      resolvedGitSource: z.object({ url: text, revision: text, dir: text }).optional(),
      resolvedConnectedRepository: z.object({ repository: text, revision: text, dir: text }).optional(),
    })
    .optional(),
});

export type Build = z.infer<typeof buildSchema>;
type Step = NonNullable<Build['steps']>[number];

/** What is asked for of a build: with the arguments and outputs of all its steps it can have many megabytes. */
export const STATUS_FIELDS = [
  'id,status,statusDetail,logUrl,failureInfo',
  'steps(id,name,status,exitCode)',
  'results(images(name,digest),buildStepImages,artifactManifest,numArtifacts)',
  'sourceProvenance(resolvedStorageSource,resolvedGitSource,resolvedConnectedRepository)',
].join();

/** Build.Status. */
const STATUSES = new Map<string, (build: Build) => TaskStatus>([
  // The service does not know at the moment; the time-outs of the quest go on.
  ['STATUS_UNKNOWN', pending],
  ['PENDING', pending],
  ['QUEUED', pending],
  ['WORKING', running],
  ['SUCCESS', build => finished({ data: dataOf(build) })],
  ['FAILURE', build => failed(build)],
  ['INTERNAL_ERROR', build => ended('CRASHED', 'Cloud Build had an internal error', build)],
  ['TIMEOUT', build => ended('TIMED_OUT', 'the build ran for longer than it may', build)],
  ['CANCELLED', build => ended('CANCELLED', 'the build was cancelled', build)],
  ['EXPIRED', build => ended('EXPIRED', 'the build was queued for longer than it may', build)],
]);

/** Build.FailureInfo.FailureType. */
const FAILURES = new Map<string, readonly [AbnormalStatus, string]>([
  ['FAILURE_TYPE_UNSPECIFIED', ['FAILED', 'the build failed']],
  ['PUSH_FAILED', ['CRASHED', 'an image could not be pushed; its repository must exist']],
  ['PUSH_IMAGE_NOT_FOUND', ['FAILED', 'an image that is to be pushed was built by no step']],
  [
    'PUSH_NOT_AUTHORIZED',
    ['REJECTED', "the build's service account may not push an image: it needs roles/artifactregistry.writer"],
  ],
  ['LOGGING_FAILURE', ['CRASHED', 'the log could not be written']],
  ['USER_BUILD_STEP', ['FAILED', 'a step failed']],
  ['FETCH_SOURCE_FAILED', ['CRASHED', 'the source could not be fetched; it must exist, and be readable for the build']],
]);

/** What a build's state means to us. */
export function statusOf(build: Build): TaskStatus {
  const { status = 'STATUS_UNKNOWN' } = build;
  const row = STATUSES.get(status);
  return row === undefined
    ? ended('RESULT_MALFORMED', `the build has a status that is not known here: ${oneLine(status, 100)}`, build)
    : row(build);
}

/** A build whose status is not known here may go on. */
export function hasEnded(build: Build): boolean {
  return STATUSES.has(build.status ?? '') && statusOf(build).state === 'finished';
}

function failed(build: Build): TaskStatus {
  const { type = 'FAILURE_TYPE_UNSPECIFIED' } = build.failureInfo ?? {};
  const [status, sentence] = FAILURES.get(type) ?? ['FAILED', `the build failed: ${oneLine(type, 100)}`];
  return ended(status, sentence, build);
}

/** Caps of what is shown and kept, in characters and items; together far less than a result may have. */
const MAX_DETAIL = 700;
const MAX_URL = 1000;
const MAX_LABEL = 100;
const MAX_IMAGE = 400;
const MAX_SHOWN_STEPS = 5;
const MAX_STEPS = 100;
const MAX_IMAGES = 32;

/** The sentence, and where to look. */
function ended(status: AbnormalStatus, sentence: string, build: Build): TaskStatus {
  const { statusDetail, failureInfo, logUrl, steps = [] } = build;
  const failures = steps
    .map((step, index) => ({ step, index }))
    .filter(({ step }) => step.status !== undefined && STEP_FAILURES.has(step.status))
    .slice(0, MAX_SHOWN_STEPS)
    .map(({ step, index }) => describeStep(step, index));
  const details = new Set([failureInfo?.detail, statusDetail].map(detail => oneLine(detail ?? '', MAX_DETAIL)));
  const parts = [sentence, ...failures, ...details, logUrl && `log: ${oneLine(logUrl, MAX_URL)}`];
  return finished(abnormal(status, parts.filter(Boolean).join('; ')));
}

const STEP_FAILURES = new Set(['FAILURE', 'TIMEOUT', 'INTERNAL_ERROR', 'EXPIRED']);

function describeStep({ id, name, status, exitCode }: Step, index: number): string {
  const label = oneLine(id ?? name ?? '', MAX_LABEL);
  const code = exitCode === undefined ? '' : `, exit code ${exitCode}`;
  return `step ${index + 1}${label && ` (${label})`}: ${status}${code}`;
}

/** The persistent state. */
function dataOf({ id, logUrl, steps = [], results = {}, sourceProvenance = {} }: Build): JsonObject {
  const { images = [], buildStepImages = [], artifactManifest, numArtifacts } = results;
  return compact({
    build: id,
    logUrl: logUrl && oneLine(logUrl, MAX_URL),
    source: sourceOf(sourceProvenance),
    images: images.slice(0, MAX_IMAGES).map(({ name, digest }) =>
      compact({
        name: name && oneLine(name, MAX_IMAGE),
        digest: digest && oneLine(digest, MAX_LABEL),
      }),
    ),
    artifacts:
      artifactManifest && compact({ manifest: oneLine(artifactManifest, MAX_URL), count: countOf(numArtifacts) }),
    steps: steps.slice(0, MAX_STEPS).map((step, index) =>
      compact({
        id: step.id && oneLine(step.id, MAX_LABEL),
        image: step.name && oneLine(step.name, MAX_IMAGE / 2),
        digest: buildStepImages[index] && oneLine(buildStepImages[index], MAX_LABEL),
        status: step.status && oneLine(step.status, MAX_LABEL),
        exitCode: step.exitCode ?? 0,
      }),
    ),
  });
}

/** The inputs that the build was given in fact, in the form of the parameter. */
function sourceOf(provenance: NonNullable<Build['sourceProvenance']>): JsonObject | undefined {
  const { resolvedStorageSource, resolvedGitSource, resolvedConnectedRepository } = provenance;
  const source = {
    ...(resolvedStorageSource && { storageSource: resolvedStorageSource }),
    ...(resolvedGitSource && { gitSource: resolvedGitSource }),
    ...(resolvedConnectedRepository && { connectedRepository: resolvedConnectedRepository }),
  };
  return sourceSchema.safeParse(source).success ? (source as JsonObject) : undefined;
}

/** An int64, which JSON writes as text. */
function countOf(digits = ''): number | undefined {
  return /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}

function compact(fields: Record<string, JsonObject[string] | undefined>): JsonObject {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(given.filter(([, value]) => !Array.isArray(value) || value.length > 0)) as JsonObject;
}
