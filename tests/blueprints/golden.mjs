// Runs the cases through aws-local-stepfunctions, an interpreter of the Amazon States Language, and prints what it does.
//
//   npm install --no-save aws-local-stepfunctions@3.0.0 && node golden.mjs cases/*.json > golden/local.json
//
// A task hands back the outcomes that the case lists for its state; no wait takes time.

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { StateMachine } from 'aws-local-stepfunctions';

// The package asks for it, and only Node.js 22 and later have it.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

// What it passes over without a word.
const LACKS = ['Assign', 'QueryLanguage', 'ItemBatcher', 'MaxConcurrencyPath', 'ToleratedFailureCount', 'ToleratedFailureCountPath',
  'ToleratedFailurePercentage', 'ToleratedFailurePercentagePath'];

// The machine itself and all machines within it.
function* machines(machine) {
  yield machine;
  for (const state of Object.values(machine.States)) {
    for (const inner of [...(state.Branches ?? []), state.ItemProcessor, state.Iterator]) if (inner) yield* machines(inner);
  }
}

function take(outcomes, given) {
  const at = outcomes.findIndex((outcome) => !('given' in outcome) || isDeepStrictEqual(outcome.given, given));
  if (at < 0) throw new Error(`no outcome for ${JSON.stringify(given)}`);
  return outcomes[at].echo ? { ok: given } : outcomes.splice(at, 1)[0];
}

async function run({ definition, input, tasks = {} }) {
  const states = [...machines(definition)].flatMap((machine) => Object.entries(machine.States));
  const lacking = LACKS.find((field) => field in definition || states.some(([, state]) => JSON.stringify(state).includes(`"${field}":`)));
  if (lacking) return { lacks: lacking };
  const params = [];
  const handlers = {};
  for (const [state, outcomes] of Object.entries(tasks)) {
    const left = [...outcomes];
    handlers[state] = (given) => {
      params.push(given);
      const outcome = take(left, given);
      if ('ok' in outcome) return outcome.ok;
      const error = new Error(outcome.cause ?? '');
      error.name = outcome.error;
      throw error;
    };
  }
  const noTime = Object.fromEntries(states.map(([name]) => [name, 0]));
  const entered = [];
  const run = new StateMachine(definition, { validationOptions: { noValidate: true } }).run(input, {
    overrides: { taskResourceLocalHandlers: handlers, waitTimeOverrides: noTime, retryIntervalOverrides: noTime },
    context: { Execution: { Id: 'job-1', Name: 'job-1', StartTime: '2026-01-02T03:04:05.678Z', Input: input } },
  });
  const logs = (async () => {
    for await (const log of run.eventLogs) if (log.type === 'StateEntered') entered.push(log.state.name);
  })();
  try {
    const output = await run.result;
    await logs;
    return { entered, params, output };
  } catch (error) {
    await logs;
    return { entered, params, error: error.cause.name };
  }
}

const lines = [];
for (const file of process.argv.slice(2)) {
  for (const one of JSON.parse(readFileSync(file, 'utf8'))) {
    lines.push(`${JSON.stringify(one.name)}: ${JSON.stringify(await run(one))}`);
  }
}
console.log(`{\n${lines.join(',\n')}\n}`);
