// Answers the requests of the page, in a thread of its own: a search that takes long leaves the page alive, and can be ended.
import { Agent } from "./agent.js";

let agent;
let playing = null; // the environment, once a path was asked for

/** Returns the states of an episode that begins in `state` and takes these actions. */
function statesOf({ state, actions }) {
  playing ??= agent.environments();
  playing.begin(0, { state });
  const after = actions.map((action) => {
    const components = [action].flat();
    playing.step(components.slice(0, playing.choices), { numbers: components.slice(playing.choices) });
    return playing.state();
  });
  return [state, ...after];
}

onmessage = async ({ data: { id, bytes, request, path } }) => {
  try {
    if (bytes) {
      agent = await Agent.load(bytes);
      agent.selfTest();
      postMessage({ id, answer: agent.describe() });
    } else if (path) {
      postMessage({ id, answer: statesOf(path) });
    } else {
      postMessage({ id, answer: agent.request(request) });
    }
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error) });
  }
};
