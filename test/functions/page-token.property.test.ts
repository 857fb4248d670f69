import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isAttemptId } from '../../shared/core/ids.ts';
import { errorOf, setUp } from './harness.ts';

interface Listed {
  attempts: { quest: string; attempt: number }[];
  nextPageToken?: string;
}

const encode = (text: string) => Buffer.from(text).toString('base64url');

async function listing(quests: number) {
  const { call, ensure } = await setUp('node:http');
  const ids: string[] = [];
  for (let n = 0; n < quests; n++) ids.push(await ensure({ n }));
  const list = (query: Record<string, string>) =>
    call('api', `GET /v1/attempts?${new URLSearchParams(query).toString()}`);
  return { ids: ids.toSorted(), list };
}

describe('a page token', () => {
  test('goes on right after the page that gave it, whatever its size', async () => {
    const { ids, list } = await listing(7);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 7, maxLength: 7 }), async sizes => {
        const shown: string[] = [];
        let token: string | undefined = '';
        for (const pageSize of sizes) {
          if (token === undefined) break;
          const query: Record<string, string> = {
            pageSize: String(pageSize),
            ...(token !== '' && { pageToken: token }),
          };
          const page = (await list(query)).json as Listed;
          shown.push(...page.attempts.map(({ quest }) => quest));
          token = page.nextPageToken;
        }
        expect(shown).toEqual(ids);
        expect(token).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  test('that was changed, or made of something else, is refused naming the field, unless it is another place in the list', async () => {
    const { ids, list } = await listing(2);
    const quest = ids[0]!;
    const token = encode(`${quest}|1`);
    const changed = fc
      .tuple(
        fc.nat(token.length),
        fc.nat(2),
        fc.constantFrom('', 'A', 'z', '_', '=', '.', ' ', '+', '%', '!', '\0', 'é'),
      )
      .map(([at, lost, inserted]) => token.slice(0, at) + inserted + token.slice(at + lost));
    const foreign = fc
      .constantFrom(
        '',
        quest,
        `${quest}|0`,
        `${quest}|01`,
        `${quest}|1|1`,
        `${quest}|1|x`,
        `${quest}|1 `,
        `|1`,
        `${quest}x|1`,
        '{}',
        '../..',
      )
      .map(encode);
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, foreign, fc.string({ minLength: 1, maxLength: 1000 })), async pageToken => {
        const place = Buffer.from(pageToken, 'base64url').toString();
        const answer = await list({ pageToken });
        if (isAttemptId(place) && encode(place) === pageToken) {
          const { attempts } = answer.json as Listed;
          expect(attempts.map(({ quest: one, attempt }) => `${one}|${attempt}` > place)).not.toContain(false);
        } else expect(answer).toMatchObject(errorOf(400, 'INVALID_ARGUMENT', expect.stringMatching(/^pageToken: /)));
      }),
      {
        numRuns: 200,
        endOnFailure: true,
        examples: [[encode(`${quest}|1`)], [`${token}!`], [encode(`${quest}|1|1`)], [encode('')]],
      },
    );
  });
});
