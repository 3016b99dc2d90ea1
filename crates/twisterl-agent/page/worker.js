// Answers the requests of the page, in a thread of its own: a search that takes long leaves the page alive, and can be ended.
import { Agent } from "./agent.js";

let agent;
onmessage = async ({ data: { id, bytes, request } }) => {
  try {
    if (bytes) {
      agent = await Agent.load(bytes);
      agent.selfTest();
      postMessage({ id, answer: agent.describe() });
    } else {
      postMessage({ id, answer: agent.request(request) });
    }
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error) });
  }
};
