// Runs a JavaScript sample as a page would: a relative address leads to the service, and what the sample takes for given are
// variables. The environment names the file, the service, the variables as JSON, and what is done after the sample within its scope.
import { readFileSync } from "node:fs";

const { SAMPLE_FILE, SAMPLE_URL, SAMPLE_GIVEN, SAMPLE_AFTER } = process.env;
const given = JSON.parse(SAMPLE_GIVEN);
const fetchAnywhere = globalThis.fetch;
globalThis.fetch = (address, options) => fetchAnywhere(new URL(address, SAMPLE_URL), options);

const AsyncFunction = (async () => {}).constructor;
const sample = new AsyncFunction(...Object.keys(given), `${readFileSync(SAMPLE_FILE, "utf8")}\n${SAMPLE_AFTER}`);
await sample(...Object.values(given));
