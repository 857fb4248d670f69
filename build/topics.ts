import { messageOf } from '../shared/core/errors.ts';
import { topicLines, typesOf } from './distributors.ts';
import { DEPLOYED_TYPES } from './entry.ts';

/** `node build/topics.ts FILE`: what deploy.sh has to know of a distributors file. */
try {
  const [file = 'distributors.yaml'] = process.argv.slice(2);
  for (const line of topicLines(file, await typesOf(DEPLOYED_TYPES))) console.log(line);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
