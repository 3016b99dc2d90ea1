// Plays and evaluates a bundle through agent.js without JSON, and prints what JSON gives beside it, a line a step.
//
//     node tests/bundle_numbers.mjs AGENT_JS AGENT_WASM SEED STEPS

import { pathToFileURL } from "node:url";

const [wrapper, bundle, seed, steps] = process.argv.slice(2);
const { Agent, SOLVED, TERMINATED, TRUNCATED } = await import(pathToFileURL(wrapper));
const agent = await Agent.load(bundle);
const envs = agent.environments({ slots: 2 });
const start = agent.scramble({ difficulty: 4, seed: Number(seed) });
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const bits = (list) => Array.from(list, (number) => Math.fround(number));

envs.begin(1, { state: start });
for (let step = 0; step < Number(steps); step++) {
  const state = envs.state(1);
  const said = agent.evaluate({ state });
  const evaluated = agent.evaluateState(state);
  const { offsets, ones, values, masks } = envs.observe([1]);
  const { bits: sparse = [], shape, type, values: dense = [] } = envs.description.observation;
  const size = (shape) => (shape.length ? shape.reduce((one, other) => one * other, 1) : 0);
  const places = new Float32Array((type === "dense" ? 0 : size(type === "mixed" ? sparse : shape)) + values.length);
  ones.slice(offsets[0], offsets[1]).forEach((one) => (places[one] = 1));
  places.set(values, places.length - values.length);
  const mask = Array.from(masks);
  const observed = agent.evaluateObservation(places);
  print({
    state,
    text: envs.render(1),
    mask,
    json: { logits: bits(said.logits), value: Math.fround(said.value), mask: said.mask.map(Number) },
    numbers: { logits: bits(evaluated.logits), value: evaluated.value, mask: Array.from(evaluated.mask) },
    observation: { logits: bits(observed.logits), value: observed.value, mask },
  });
  if (said.action === null) break;
  const components = [said.action].flat();
  const taken = { choices: components.slice(0, envs.choices), numbers: components.slice(envs.choices) };
  envs.copy(1, 0);
  const { rewards, flags } = envs.step(taken.choices, { numbers: taken.numbers, slots: [1] });
  print({
    action: said.action,
    reward: rewards[0],
    terminated: (flags[0] & TERMINATED) !== 0,
    truncated: (flags[0] & TRUNCATED) !== 0,
    solved: (flags[0] & SOLVED) !== 0,
    state: envs.state(1),
    before: envs.state(0),
  });
}
for (const wrong of [
  () => envs.begin(0, { state: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((one) => one + 0.5) }),
  () => envs.begin(7),
  () => envs.step([]),
  () => agent.environments({ params: { widht: 3 } }),
  () => agent.evaluateState([0.5]),
  () => agent.evaluateObservation([3]),
]) {
  try {
    wrong();
    print({ error: "none" });
  } catch (error) {
    print({ error: `${error.name}: ${error.message}` });
  }
}
