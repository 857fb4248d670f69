import { expect, test } from 'vitest';
import { decideReport } from '../../shared/core/decide/report.ts';
import { RETRY_CLASSES, type QuestDesc } from '../../shared/core/quest.ts';
import { ABNORMAL, ABNORMAL_STATUSES, type AbnormalStatus, abnormal, finished } from '../../shared/core/result.ts';
import { at, committed, docsOf } from '../support/decide.ts';
import { attemptIn, CREATED_AT, executionIn, questFixture } from '../support/documents.ts';

function fail(
  status: AbnormalStatus,
  meta: QuestDesc['meta'],
  { retries = {}, random = 0.5 }: { retries?: Record<string, number>; random?: number } = {},
) {
  const attempt = attemptIn('EXECUTING', { retries });
  const docs = docsOf(executionIn('RUNNING'), { attempt, quest: questFixture({ meta }) });
  return committed(decideReport(docs, { status: finished(abnormal(status, 'because')) }, at(0, random))).attempt!;
}

const ONE_EACH = { retry: Object.fromEntries(RETRY_CLASSES.map(name => [name, 1])) };

test.each(ABNORMAL_STATUSES)('%s is not retried without a budget', status => {
  expect(fail(status, {})).toMatchObject({ state: 'ABNORMAL_FINISHED', result: abnormal(status, 'because') });
});

test.each(ABNORMAL_STATUSES)('%s is charged to its own budget, or never retried', status => {
  const retryClass = ABNORMAL[status];
  if (retryClass === undefined) {
    expect(fail(status, ONE_EACH).state).toBe('ABNORMAL_FINISHED');
    return;
  }
  expect(fail(status, ONE_EACH)).toMatchObject({ state: 'SCHEDULING', retries: { [retryClass]: 1 } });
  expect(fail(status, ONE_EACH, { retries: { [retryClass]: 1 } }).state).toBe('ABNORMAL_FINISHED');
  const others = Object.fromEntries(RETRY_CLASSES.filter(name => name !== retryClass).map(name => [name, 1]));
  expect(fail(status, ONE_EACH, { retries: others }).state).toBe('SCHEDULING');
});

test('a retry whose job reported its end waits for the backoff only', () => {
  const attempt = fail('FAILED', ONE_EACH);
  expect(attempt).toMatchObject({ state: 'SCHEDULING', notBefore: CREATED_AT + 500, wakeAt: CREATED_AT + 500 });
  expect(attempt).not.toHaveProperty('after', expect.anything());
});

const MANY = { retry: { failed: 100, crashed: 100 }, backoff: { initial: '10s', multiplier: 3, max: '60s' } };

test.each([
  ['grows with every failure in a row, of whatever class', { crashed: 1 }, 0.999_999, 30_000],
  ['is at most the maximum', { crashed: 30 }, 0.999_999, 60_000],
  ['is full jitter: as low as nothing', { crashed: 30 }, 0, 0],
  ['is full jitter: as low as half', { crashed: 30 }, 0.5, 30_000],
])('the backoff %s', (_, retries, random, delayMs) => {
  const attempt = fail('FAILED', MANY, { retries, random });
  expect(attempt).toMatchObject({ notBefore: CREATED_AT + delayMs });
});

test('a malformed result is not retried', () => {
  expect(fail('RESULT_MALFORMED', ONE_EACH).state).toBe('ABNORMAL_FINISHED');
});
