import { describe, expect, test } from 'vitest';
import { parseWalkRequest } from '../../../shared/engine/walk/request.ts';
import { createGraph } from '../../support/graph.ts';

const QUEST = 'q'.repeat(43);
const ONE = { attempts: { [QUEST]: [1] } };
const MINUTE_MS = 60_000;
const parse = (request: unknown) => parseWalkRequest(request, MINUTE_MS);
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

describe('a request to walk', () => {
  test('goes to the end of all dependencies, unless it is said otherwise', () => {
    expect(parse({ query: ONE })).toMatchObject({
      starts: [`${QUEST}|1`],
      search: undefined,
      ways: ['dependencies'],
      maxDepth: Infinity,
      maxTimeMs: 30_000,
      maxDataSize: 16 * 1024 * 1024,
      include: { quest: false, attempt: true, result: true, executions: 0, dependencies: true, dependents: false },
      pageSize: 1000,
      after: undefined,
    });
    expect(parse({ query: ONE, direction: 'backwards' }).include).toMatchObject({
      dependencies: false,
      dependents: true,
    });
    expect(parse({ query: ONE, direction: 'both', include: { dependents: false } }).include).toMatchObject({
      dependencies: true,
      dependents: false,
    });
  });

  test('gets no more time than there is', () => {
    expect(parse({ query: ONE, limit: { maxTime: '59.5s' } })).toMatchObject({ maxTimeMs: 59_500 });
    expect(parse({ query: ONE, limit: { maxTime: '86400s' } })).toMatchObject({ maxTimeMs: MINUTE_MS });
  });

  test('may name ten thousand attempts in each way', () => {
    const query = { attempts: { [QUEST]: numbers(10_000) }, ranges: [{ quest: QUEST, first: 5001, last: 15_000 }] };
    expect(parse({ query }).starts).toHaveLength(15_000);
  });

  test.each<[string, unknown]>([
    ['query: ', {}],
    ['query: needs attempts, ranges or a search', { query: {} }],
    ['query: needs attempts, ranges or a search', { query: { attempts: {}, ranges: [] } }],
    ['query.attempts.short: must be a quest id', { query: { attempts: { short: [1] } } }],
    [`query.attempts.${QUEST}[0]: `, { query: { attempts: { [QUEST]: [0] } } }],
    [`query.attempts.${QUEST}[1]: `, { query: { attempts: { [QUEST]: [1, 1.5] } } }],
    [`query.attempts.${QUEST}: `, { query: { attempts: { [QUEST]: [] } } }],
    ['query.attempts: 10001 attempts, more than 10000', { query: { attempts: { [QUEST]: numbers(10_001) } } }],
    ['query.ranges[0].quest: must be a quest id', { query: { ranges: [{ quest: 'short', first: 1, last: 2 }] } }],
    ['query.ranges[0].first: ', { query: { ranges: [{ quest: QUEST, first: 0, last: 2 }] } }],
    ['query.ranges[0].last: is missing', { query: { ranges: [{ quest: QUEST, first: 1 }] } }],
    ['query.ranges[0].last: must not be less', { query: { ranges: [{ quest: QUEST, first: 3, last: 2 }] } }],
    ['query.ranges: 2147483647 attempts', { query: { ranges: [{ quest: QUEST, first: 1, last: 2_147_483_647 }] } }],
    ['query.ranges: 10002 attempts', { query: { ranges: [1, 2].map(() => ({ quest: QUEST, first: 1, last: 5001 })) } }],
    ['query.search.state: must be one of', { query: { search: { state: 'DONE' } } }],
    ['query.search.createdAfter: must be an RFC 3339 time', { query: { search: { createdAfter: 'yesterday' } } }],
    ['query.search.createdAfter: must be an RFC 3339 time', { query: { search: { createdAfter: '2026-11-24' } } }],
    ['query.search.createdBefore: must be an RFC 3339 time', { query: { search: { createdBefore: 1 } } }],
    [
      'query.search.createdBefore: must be later than createdAfter',
      { query: { search: { createdAfter: '2026-11-24T01:00:00Z', createdBefore: '2026-11-24T01:00:00+01:00' } } },
    ],
    ['query.search: unknown field "name"', { query: { search: { name: 'x' } } }],
    ['direction: must be one of forwards, backwards, both', { query: ONE, direction: 'up' }],
    ['limit.maxDepth: must be 0 or more, or -1', { query: ONE, limit: { maxDepth: -2 } }],
    ['limit.maxDepth: ', { query: ONE, limit: { maxDepth: 0.5 } }],
    ['limit.maxTime: must be a duration', { query: ONE, limit: { maxTime: '-1s' } }],
    ['limit.maxTime: must be a duration', { query: ONE, limit: { maxTime: 'soon' } }],
    ['limit.maxDataSize: ', { query: ONE, limit: { maxDataSize: 30 * 1024 * 1024 + 1 } }],
    ['limit.maxDataSize: ', { query: ONE, limit: { maxDataSize: -1 } }],
    ['limit: unknown field "depth"', { query: ONE, limit: { depth: 1 } }],
    ['include.executions: ', { query: ONE, include: { executions: 21 } }],
    ['include.executions: ', { query: ONE, include: { executions: -1 } }],
    ['include.result: must be boolean', { query: ONE, include: { result: 'yes' } }],
    ['include: unknown field "results"', { query: ONE, include: { results: true } }],
    ['exclude.quests[1]: must be a quest id', { query: ONE, exclude: { quests: [QUEST, 'short'] } }],
    ['exclude.attempts.short: must be a quest id', { query: ONE, exclude: { attempts: { short: [1] } } }],
    ['exclude.attempts: 10001 attempts', { query: ONE, exclude: { attempts: { [QUEST]: numbers(10_001) } } }],
    ['pageSize: ', { query: ONE, pageSize: 0 }],
    ['pageSize: ', { query: ONE, pageSize: 10_001 }],
    ['pageToken: is not one that this walk gave', { query: ONE, pageToken: '' }],
    ['pageToken: ', { query: ONE, pageToken: 'x'.repeat(1001) }],
    ['unknown field "depth"', { query: ONE, depth: 1 }],
  ])('is refused: %s', async (message, request) => {
    const refused = createGraph().engine.walkGraph(request);
    await expect(refused).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' });
    await expect(refused).rejects.toThrow(message);
  });
});
