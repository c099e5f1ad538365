// Runs cases.json through an interpreter of the Amazon States Language that is not ours, and prints what it does.
//
//   npm install --no-save aws-local-stepfunctions@3.0.0 && node golden.mjs > golden.json
//
// A task hands back the outcomes that the case lists for its state, in order; all waits take no time.

import { readFileSync } from 'node:fs';
import { StateMachine } from 'aws-local-stepfunctions';

// The package asks for it, and only Node.js 22 and later have it.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const cases = JSON.parse(readFileSync(new URL('cases.json', import.meta.url), 'utf8'));
const golden = {};

for (const { name, definition, input, tasks = {} } of cases) {
  const params = [];
  const handlers = {};
  for (const [state, outcomes] of Object.entries(tasks)) {
    const left = [...outcomes];
    handlers[state] = (given) => {
      params.push(given);
      const outcome = left.shift();
      if ('ok' in outcome) return outcome.ok;
      const error = new Error(outcome.cause ?? '');
      error.name = outcome.error;
      throw error;
    };
  }
  const states = Object.keys(definition.States);
  const noTime = Object.fromEntries(states.map((state) => [state, 0]));
  const entered = [];
  let result;
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  const run = machine.run(input, {
    overrides: { taskResourceLocalHandlers: handlers, waitTimeOverrides: noTime, retryIntervalOverrides: noTime },
  });
  const logs = (async () => {
    for await (const log of run.eventLogs) if (log.type === 'StateEntered') entered.push(log.state.name);
  })();
  try {
    result = { output: await run.result };
  } catch (error) {
    result = { error: error.cause.name };
  }
  await logs;
  golden[name] = { entered, params, ...result };
}
console.log(JSON.stringify(golden, null, 1));
