import type { QuestId } from '../core/ids.ts';
import type { Store } from '../core/ports.ts';
import type { Quest } from '../core/quest.ts';

/** Quests never change once they are written: each instance keeps the ones it used last. */
export interface QuestCache {
  get(id: QuestId): Promise<Quest | undefined>;
  remember(quest: Quest): void;
}

/** In characters of JSON; a description may have half a million. */
const MAX_CHARACTERS = 8 * 1024 * 1024;
/** What an entry weighs besides: a hundred thousand small ones would take far more than their text. */
const ENTRY_CHARACTERS = 1024;

export function createQuestCache(store: Store): QuestCache {
  const quests = new Map<QuestId, { quest: Quest; characters: number }>();
  let characters = 0;

  function remember(quest: Quest): void {
    if (quests.has(quest.id)) return;
    const entry = { quest, characters: ENTRY_CHARACTERS + JSON.stringify(quest.desc).length };
    quests.set(quest.id, entry);
    characters += entry.characters;
    for (const [id, oldest] of quests) {
      if (characters <= MAX_CHARACTERS) break;
      quests.delete(id);
      characters -= oldest.characters;
    }
  }

  return {
    remember,
    async get(id) {
      const known = quests.get(id);
      if (known !== undefined) {
        quests.delete(id);
        quests.set(id, known);
        return known.quest;
      }
      const stored = await store.get('quest', id);
      if (stored === undefined) return undefined;
      remember(stored.doc);
      return stored.doc;
    },
  };
}
