// Runs refused.json through asl-validator, a checker of the Amazon States Language, and prints by what rule it refuses each.
//
//   npm install --no-save asl-validator@4.0.0 && node refused.mjs > golden/refused.json

import { readFileSync } from 'node:fs';
import validate from 'asl-validator';

const lines = JSON.parse(readFileSync(new URL('refused.json', import.meta.url), 'utf8')).map(({ name, definition }) => {
  let rules;
  try {
    rules = validate(definition, { checkPaths: true, checkArn: false }).errors.map((error) => error['Error code']);
  } catch (error) {
    rules = [`broke down: ${error.message}`];
  }
  return `${JSON.stringify(name)}: ${JSON.stringify([...new Set(rules)])}`;
});
console.log(`{\n${lines.join(',\n')}\n}`);
