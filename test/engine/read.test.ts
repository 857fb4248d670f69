import { describe, expect, test } from 'vitest';
import { attemptId, executionId, type QuestId, questId } from '../../shared/core/ids.ts';
import { finished } from '../../shared/core/result.ts';
import { MINUTE_MS, SECOND_MS } from '../support/decide.ts';
import { createTestEngine, executionOf, start } from '../support/engine.ts';

const DONE = finished({ data: { answer: 42 } });

function createWorld() {
  return createTestEngine({
    script: { run: start, handleNotification: async () => DONE, infoUrl: token => `https://x/${token}` },
  });
}

describe('waiting for an attempt', () => {
  async function waiting() {
    const world = createWorld();
    const id = await world.submit();
    await world.settle();
    const quest = id.split('|')[0] as QuestId;
    const gone = new AbortController();
    let answered = false;
    const answer = world.engine.waitForAttempt(quest, 1, 30 * SECOND_MS, gone.signal).finally(() => {
      answered = true;
    });
    return { ...world, id, gone, answer, isAnswered: () => answered };
  }

  test('answers when it is over', async () => {
    const { id, notify, answer, isAnswered } = await waiting();
    expect(isAnswered()).toBe(false);
    await notify(executionOf(id));
    expect(await answer).toMatchObject({
      attempt: { state: 'FINISHED' },
      executions: [{ execution: { state: 'FINISHED' } }],
    });
  });

  test('answers at the time-out, as it is then', async () => {
    const { clock, answer } = await waiting();
    clock.advance(30 * SECOND_MS);
    expect(await answer).toMatchObject({ attempt: { state: 'EXECUTING' } });
  });

  test('ends when the caller goes away', async () => {
    const { gone, answer } = await waiting();
    gone.abort();
    await answer;
  });

  test('answers at once when it is over already, or when no time is given', async () => {
    const world = createWorld();
    const id = await world.submit();
    const quest = id.split('|')[0] as QuestId;
    expect(await world.engine.waitForAttempt(quest, 1, 0)).toMatchObject({ attempt: { state: 'SCHEDULING' } });
    await world.engine.cancelAttempt(id, 'unwanted');
    expect(await world.engine.waitForAttempt(quest, 1, MINUTE_MS)).toMatchObject({
      attempt: { state: 'ABNORMAL_FINISHED' },
    });
  });

  test('of one that does not exist is NOT_FOUND', async () => {
    const { engine } = createWorld();
    const call = engine.waitForAttempt(questId('A'.repeat(43)), 1, MINUTE_MS);
    await expect(call).rejects.toMatchObject({ status: 'NOT_FOUND' });
  });
});

describe('reading', () => {
  test('an attempt shows its executions with the address of their jobs', async () => {
    const world = createWorld();
    const id = await world.submit();
    expect(await world.engine.getAttempt(id)).toMatchObject({ executions: [] });
    await world.settle();
    expect(await world.engine.getAttempt(id)).toMatchObject({ executions: [{ infoUrl: 'https://x/job-1' }] });
    expect(await world.engine.getExecution(executionOf(id))).toMatchObject({ infoUrl: 'https://x/job-1' });
  });

  test('what does not exist is NOT_FOUND', async () => {
    const { engine } = createWorld();
    const quest = questId('A'.repeat(43));
    for (const call of [
      engine.getQuest(quest),
      engine.getAttempt(attemptId(quest, 1)),
      engine.getExecution(executionId(quest, 1, 1)),
    ]) {
      await expect(call).rejects.toMatchObject({ status: 'NOT_FOUND' });
    }
  });

  test('an execution whose type is not deployed any more is shown without an address', async () => {
    const world = createWorld();
    const id = await world.submit();
    await world.settle();
    world.restart({ executors: [], distributors: {} });
    expect(await world.engine.getAttempt(id)).toMatchObject({ executions: [{ infoUrl: undefined }] });
  });

  test('lists by state and distributor, a page at a time', async () => {
    const world = createWorld();
    const ids = await Promise.all([1, 2, 3].map(n => world.submit({ parameters: { n } })));
    await world.engine.cancelAttempt(ids[0]!, 'unwanted');
    const first = await world.engine.listAttempts({ state: 'SCHEDULING', distributor: 'echo', pageSize: 1 });
    expect(first.items).toHaveLength(1);
    const rest = await world.engine.listAttempts({ state: 'SCHEDULING', pageSize: 5, after: first.next! });
    expect(rest).toMatchObject({ items: [{ state: 'SCHEDULING' }] });
    expect(rest.next).toBeUndefined();
  });

  test('lists the distributors with what they stand for', () => {
    const distributors = { echo: { type: 'fake' }, also: { alias: 'echo' } };
    expect(createTestEngine({ distributors }).engine.listDistributors()).toMatchObject([
      { name: 'echo', target: { name: 'echo', type: 'fake' }, modes: ['unattended', 'interactive', 'unattended'] },
      { name: 'also', target: { name: 'echo' } },
    ]);
  });
});
