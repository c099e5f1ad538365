// Verifies the delivery in webhook.json with the official library of the Standard Webhooks for JavaScript.
//
//   npm install --no-save standardwebhooks@1.1.1 && node tests/golden/webhook.mjs

import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const golden = JSON.parse(readFileSync(new URL('webhook.json', import.meta.url), 'utf8'));
Date.now = () => Number(golden['webhook-timestamp']) * 1000;

for (const secret of golden.secrets) {
  const message = new Webhook(secret).verify(golden.body, golden);
  if (message.type !== 'job.completed') throw new Error(`a message of type ${message.type}`);
  let passed = true;
  try {
    new Webhook(secret).verify(golden.body.replace('completed', 'failed'), golden);
  } catch {
    passed = false;
  }
  if (passed) throw new Error('a changed body passes');
}
console.log(`${golden.secrets.length} signatures verified`);
