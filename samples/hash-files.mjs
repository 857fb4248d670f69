// A command of one's own: the quest's parameters come as JSON on stdin, the JSON object on stdout is the result.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { files } = JSON.parse(readFileSync(0, 'utf8'));
const sha256 = Object.fromEntries(
  files.map(file => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]),
);
console.log(JSON.stringify({ sha256 }));
