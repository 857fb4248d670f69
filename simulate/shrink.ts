import { noFaults } from './faults.ts';
import { type Less, type Report, scenarioOf, simulateSeed } from './world.ts';

const MAX_TRIES = 400;

/**
 * Leaves out quests and faults as long as the same invariant is broken: first halves of what is left, then smaller parts
 * (delta debugging, https://www.st.cs.uni-saarland.de/papers/tse2002/).
 */
export async function shrink(seed: number, report: Report): Promise<Less> {
  const wanted = report.violation?.invariant;
  let tries = 0;
  let best: Less = { without: new Set() };
  let faults = [...report.injected.keys()];

  async function breaks(less: Less): Promise<readonly string[] | undefined> {
    tries++;
    const { violation, injected } = await simulateSeed(seed, less);
    return violation?.invariant === wanted ? [...injected.keys()] : undefined;
  }

  let quests = scenarioOf(seed, noFaults()).clients;
  for (let n = quests.length - 1; n >= 0 && quests.length > 1; n--) {
    const fewer = { ...best, quests: quests.filter(one => one !== n) };
    const left = await breaks(fewer);
    if (left === undefined) continue;
    best = fewer;
    quests = [...fewer.quests];
    faults = [...left];
  }
  for (let size = Math.ceil(faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < faults.length && tries < MAX_TRIES; ) {
      const fewer = { ...best, without: new Set([...best.without, ...faults.slice(from, from + size)]) };
      const left = await breaks(fewer);
      if (left === undefined) from += size;
      else {
        best = fewer;
        faults = [...left];
      }
    }
  }
  return best;
}
