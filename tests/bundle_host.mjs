// Answers the requests on standard input, a line each, with the bundle that is the argument: what Node.js and browsers do.
//
//     node tests/bundle_host.mjs AGENT_JS AGENT_WASM < requests.jsonl

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [wrapper, bundle] = process.argv.slice(2);
const { Agent, AgentError } = await import(pathToFileURL(wrapper));
try {
  const agent = await Agent.load(bundle);
  agent.selfTest();
  const lines = readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
  process.stdout.write(lines.map((line) => agent.answer(line) + "\n").join(""));
} catch (error) {
  if (!(error instanceof AgentError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
}
