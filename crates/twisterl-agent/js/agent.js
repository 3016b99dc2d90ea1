// The agent of a bundle in JavaScript: browsers, Node.js, Deno and Bun. docs/bundles.md lists the requests.
//
//     import { Agent } from "./agent.js";
//     const agent = await Agent.load("agent.wasm");
//     agent.solve({ state: [8, 7, 5, 3, 2, 0, 4, 6, 1] }).moves;

/** The major version of the exported functions that this file calls. */
const ABI = 1;
const FUNCTIONS = ["ta_abi", "ta_start", "ta_scratch", "ta_call", "ta_error", "twisterl_selftest"];

/** An error of an agent: a file that is no bundle, or a request that is refused. */
export class AgentError extends Error {
  name = "AgentError";
}

/** A policy with its environment. */
export class Agent {
  #exports;
  #errorAt;
  #failed = null;

  /** @private Use `Agent.load`. */
  constructor(exports) {
    this.#exports = exports;
    // Asked for now: a module that has trapped cannot be called again, but its memory can be read.
    this.#errorAt = exports.ta_error();
    if (this.#run("ta_start") !== 0) throw new AgentError(this.#read(this.#errorAt));
  }

  /** Loads a bundle: its bytes, a compiled module, a response, or the address of a file. */
  static async load(source) {
    const module = source instanceof WebAssembly.Module ? source : await compile(await bytesOf(source));
    const imports = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`);
    if (imports.length) throw new AgentError(`bundle: module: expected no imports, found ${imports.join(", ")}`);
    const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
    const missing = ["memory", ...FUNCTIONS].filter((name) => !exported.includes(name));
    if (missing.length) throw new AgentError(`bundle: module: expected a bundle, found no export ${missing.join(", ")}`);
    let instance;
    try {
      instance = await WebAssembly.instantiate(module);
    } catch (error) {
      throw new AgentError(`bundle: module: expected one that can be instantiated, found ${error.message}`);
    }
    const version = instance.exports.ta_abi() >> 16;
    if (version !== ABI) throw new AgentError(`bundle: module: expected functions of version ${ABI}, found ${version}`);
    return new Agent(instance.exports);
  }

  /** Solves a problem: a `state`, or a scramble. Options of solving stand beside it. */
  solve(request) {
    return this.request({ call: "solve", ...request });
  }

  /** Evaluates a `state`, or an `observation`. */
  evaluate(request) {
    return this.request({ call: "evaluate", ...request });
  }

  /** Takes an `action` in a `state`. */
  step(request) {
    return this.request({ call: "step", ...request });
  }

  /** Describes the policy and its environment. */
  describe() {
    return this.request({ call: "describe" });
  }

  /** Returns a state as text for people. */
  render(state) {
    return this.request({ call: "render", state }).text;
  }

  /** Returns the state of a scramble. */
  scramble(request = {}) {
    return this.request({ call: "scramble", ...request }).state;
  }

  /** Throws if this machine computes other bits than the one that wrote the bundle. */
  selfTest() {
    if (this.#run("twisterl_selftest") !== 0) throw new AgentError(this.#read(this.#errorAt));
  }

  /** Answers a request. */
  request(request) {
    const answer = JSON.parse(this.answer(JSON.stringify(request)));
    if (typeof answer.error === "string") throw new AgentError(answer.error);
    return answer;
  }

  /** Answers a request given as JSON text by JSON text, which is the same to the byte on every host. */
  answer(text) {
    const request = new TextEncoder().encode(text);
    const address = this.#run("ta_scratch", request.length) >>> 0;
    if (address === 0) throw new AgentError(`request: expected a shorter one, found ${request.length} bytes`);
    new Uint8Array(this.#exports.memory.buffer, address, request.length).set(request);
    return this.#read(this.#run("ta_call", request.length));
  }

  /** Calls an exported function. After a trap the module is in no state to be called again. */
  #run(name, ...args) {
    if (this.#failed) throw new AgentError(this.#failed);
    try {
      return this.#exports[name](...args);
    } catch (error) {
      const said = this.#read(this.#errorAt);
      this.#failed = `the agent has failed, load it again: ${said || error.message}`;
      throw new AgentError(this.#failed);
    }
  }

  /** Reads the text whose address and length are at `at`. Memory that has grown has another buffer, so views do not last. */
  #read(at) {
    const buffer = this.#exports.memory.buffer;
    const span = new DataView(buffer, at >>> 0, 8);
    const bytes = new Uint8Array(buffer, span.getUint32(0, true), span.getUint32(4, true));
    return new TextDecoder().decode(bytes);
  }
}

async function compile(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new AgentError(`bundle: module: expected a WebAssembly module, found ${error.message}`);
  }
}

/** Returns the bytes of a source. */
async function bytesOf(source) {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return source;
  const isFile = typeof source === "string" ? !/^[a-z][a-z0-9+.-]+:/i.test(source) : source?.protocol === "file:";
  if (isFile && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return await readFile(source);
  }
  const response = typeof Response !== "undefined" && source instanceof Response ? source : await fetch(source);
  if (!response.ok) throw new AgentError(`${response.url}: expected a bundle, found status ${response.status}`);
  return await response.arrayBuffer();
}
