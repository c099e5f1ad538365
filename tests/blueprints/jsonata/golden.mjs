// Computes the expressions with the reference implementation of JSONata, and prints what each gives.
//
//   npm install --no-save jsonata@2.2.2 && node golden.mjs > golden.json
//
// As in a state, `$states.input` is the data and there is no `$`. No value stands for an expression that gives nothing.

import { readFileSync } from 'node:fs';
import jsonata from 'jsonata';

const { data, expressions } = JSON.parse(readFileSync(new URL('expressions.json', import.meta.url), 'utf8'));
const lines = [];
for (const text of expressions) {
  let answer;
  try {
    const value = await jsonata(text).evaluate(undefined, { states: { input: data } });
    answer = typeof value === 'function' || value?._jsonata_lambda ? { error: 'function' } : { value };
  } catch (error) {
    answer = { error: error.code ?? error.message };
  }
  lines.push(`${JSON.stringify(text)}: ${JSON.stringify(answer)}`);
}
console.log(`{\n${lines.join(',\n')}\n}`);
