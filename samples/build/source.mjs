// A source file, as it was when the build was asked for. An unattended job: it needs nothing and calls nobody.
import { readFileSync } from 'node:fs';
import { sha256 } from './hash.mjs';

const { name, content } = JSON.parse(readFileSync(0, 'utf8'));
const text = readFileSync(new URL(`project/${name}`, import.meta.url), 'utf8');
if (sha256(text) !== content) throw new Error(`${name} is not the same any more: ask for the build again`);
console.log(JSON.stringify({ sha256: content, text }));
