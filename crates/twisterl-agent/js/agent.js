// The agent of a bundle in JavaScript: browsers, Node.js, Deno and Bun. docs/bundles.md lists the requests.
//
//     import { Agent } from "./agent.js";
//     const agent = await Agent.load("agent.wasm");
//     agent.solve({ state: [8, 7, 5, 3, 2, 0, 4, 6, 1] }).moves;

/** The major version of the exported functions that this file calls. */
const ABI = 1;
const FUNCTIONS = ["ta_abi", "ta_start", "ta_scratch", "ta_call", "ta_error", "twisterl_selftest"];

/** The kinds of numbers of `ta_evaluate`. */
const STATE = 0;
const OBSERVATION = 1;
/** The words of the layout of environments, see twisterl.h. */
const LAYOUT = [
  "version", "key", "slots", "discrete", "continuous", "rewards", "flags", "offsets", "indices", "values", "masks", "state",
  "keys", "best",
];
/** The kinds of starts. */
const SCRAMBLE = 0;
const UNIFORM = 1;
const GIVEN = 2;
const FULL_BUDGET = -1;

/** Flags of a step, and of the start of an episode. */
export const TERMINATED = 1;
export const TRUNCATED = 2;
export const SOLVED = 4;

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

  /** Evaluates a state, flat, without JSON: the same bits, sooner. */
  evaluateState(state) {
    return this.#evaluateNumbers(STATE, state);
  }

  /** Evaluates an observation without JSON, given by the number of each of its places: 0 or 1 for its bits, then its values. */
  evaluateObservation(observation) {
    return this.#evaluateNumbers(OBSERVATION, observation);
  }

  /** Begins to play the environment of the policy in so many slots; a second call ends what the first one began. */
  environments({ slots = 1, params = {} } = {}) {
    return new Environments(this.#exports, (name, ...args) => this.#run(name, ...args), slots, params);
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

  #evaluateNumbers(kind, numbers) {
    const address = this.#run("ta_numbers", numbers.length) >>> 0;
    if (address === 0) throw new AgentError(`numbers: expected fewer, found ${numbers.length}`);
    new Float64Array(this.#exports.memory.buffer, address, numbers.length).set(numbers);
    const at = this.#run("ta_evaluate", kind, numbers.length) >>> 0;
    if (at === 0) throw new AgentError(this.#read(this.#errorAt));
    const { buffer } = this.#exports.memory;
    const [logits, actions, mask, choices] = new Uint32Array(buffer, at, 4);
    return {
      logits: new Float32Array(buffer, logits, actions).slice(),
      value: new Float32Array(buffer, at + 16, 1)[0],
      mask: kind === STATE ? new Uint8Array(buffer, mask, choices).slice() : null,
    };
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
    return textAt(this.#exports.memory.buffer, at);
  }
}

/**
 * The environment of a policy in slots, at frame rate: numbers pass through memory, not through JSON. Arrays that methods
 * return are views, which hold until the next call.
 */
export class Environments {
  #exports;
  #run;
  #errorAt;
  #layoutAt;

  /** @private Use `agent.environments`. */
  constructor(exports, run, slots, params) {
    if (!exports.te_init) throw new AgentError("bundle: module: expected functions of version 1.1, found 1.0");
    this.#exports = exports;
    this.#run = run;
    this.#errorAt = run("te_error");
    const text = new TextEncoder().encode(JSON.stringify(params));
    const address = run("te_scratch", text.length) >>> 0;
    if (address === 0) throw new AgentError(`params: expected fewer, found ${text.length} bytes`);
    new Uint8Array(exports.memory.buffer, address, text.length).set(text);
    this.#check(run("te_init", text.length, slots));
    this.slots = slots;
    this.description = JSON.parse(textAt(exports.memory.buffer, run("te_describe")));
    this.#layoutAt = run("te_layout") >>> 0;
    const actions = this.description.actions;
    const width = (wanted) => actions.reduce((sum, action) => sum + wanted(action), 0);
    this.choices = width(({ type, n }) => (type === "discrete" ? 1 : type === "binary" ? n : 0));
    this.numbers = width(({ type, low }) => (type === "continuous" ? low.length : 0));
    this.maskWidth = width(({ type, n }) => (type === "discrete" ? n : type === "binary" ? 2 * n : 0));
    const { type, shape, values } = this.description.observation;
    const product = (shape) => shape.reduce((size, n) => size * n, 1);
    this.valueCount = type === "dense" ? product(shape) : type === "mixed" ? product(values) : 0;
  }

  /**
   * Begins an episode in a slot: in a `state`, at a `uniform` one, or by a scramble of a `difficulty`. The `seed`, a number, or
   * 32 bytes of `key` are all its randomness. Returns flags.
   */
  begin(slot = 0, { state, uniform = false, difficulty, seed = 0, key } = {}) {
    this.#checkSlot(slot);
    const layout = this.#layout();
    const bytes = this.#view(Uint8Array, layout.key, 32);
    bytes.fill(0);
    if (key) bytes.set(key);
    else new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, BigInt(seed), true);
    if (state) {
      const room = this.description.state;
      if (state.length > room) throw new AgentError(`state: expected at most ${room} numbers, found ${state.length}`);
      this.#view(Float64Array, layout.state, state.length).set(state);
      this.#view(Int32Array, layout.slots, 1)[0] = state.length;
    }
    const kind = state ? GIVEN : uniform ? UNIFORM : SCRAMBLE;
    return this.#check(this.#run("te_begin", slot, kind, difficulty ?? (state ? FULL_BUDGET : this.description.difficulty)));
  }

  /** Takes a row of choices, and of numbers where actions have some, in each slot. Returns rewards and flags of the rows. */
  step(choices, { numbers = [], slots } = {}) {
    const layout = this.#layout();
    const discrete = typeof choices === "number" ? [choices] : choices;
    const rows = this.choices ? discrete.length / this.choices : numbers.length / this.numbers;
    if (discrete.length !== rows * this.choices || numbers.length !== rows * this.numbers) {
      const expected = `rows of ${this.choices} choices and ${this.numbers} numbers`;
      throw new AgentError(`action: expected ${expected}, found ${discrete.length} and ${numbers.length}`);
    }
    this.#choose(layout, rows, slots);
    this.#view(Uint32Array, layout.discrete, discrete.length).set(discrete);
    this.#view(Float32Array, layout.continuous, numbers.length).set(numbers);
    this.#check(this.#run("te_step", rows));
    const after = this.#layout();
    return {
      rewards: this.#view(Float32Array, after.rewards, rows),
      flags: this.#view(Int32Array, after.flags, rows),
    };
  }

  /** Observes slots: row `i` has the bits `ones[offsets[i]]` to `ones[offsets[i + 1] - 1]`, its values, and its mask. */
  observe(slots) {
    const rows = slots?.length ?? this.slots;
    this.#choose(this.#layout(), rows, slots);
    this.#check(this.#run("te_observe", rows));
    const after = this.#layout();
    const offsets = this.#view(Uint32Array, after.offsets, rows + 1);
    return {
      offsets,
      ones: this.#view(Uint32Array, after.indices, offsets[rows]),
      values: this.#view(Float32Array, after.values, rows * this.valueCount),
      masks: this.#view(Uint8Array, after.masks, rows * this.maskWidth),
    };
  }

  /** Copies the episode of a slot to another one. */
  copy(from, to) {
    this.#checkSlot(from);
    this.#checkSlot(to);
    this.#view(Int32Array, this.#layout().slots, 2).set([from, to]);
    this.#check(this.#run("te_copy", 1));
  }

  /** Returns the state of a slot. */
  state(slot = 0) {
    this.#checkSlot(slot);
    const length = this.#check(this.#run("te_state", slot));
    return Array.from(this.#view(Float64Array, this.#layout().state, length));
  }

  /** Returns the state of a slot as text for people. */
  render(slot = 0) {
    this.#checkSlot(slot);
    return this.#text(this.#run("te_render", slot));
  }

  /** Returns the name of a choice. */
  actionName(choice) {
    if (this.choices) this.#view(Uint32Array, this.#layout().discrete, 1)[0] = choice;
    return this.#text(this.#run("te_action_name", choice));
  }

  #choose(layout, rows, slots) {
    if (!(rows >= 1 && rows <= this.slots)) throw new AgentError(`slots: expected 1 to ${this.slots} rows, found ${rows}`);
    if (slots && slots.length !== rows) throw new AgentError(`slots: expected ${rows}, found ${slots.length}`);
    const chosen = this.#view(Int32Array, layout.slots, rows);
    for (let row = 0; row < rows; row++) chosen[row] = slots ? this.#checkSlot(slots[row]) : row;
  }

  #checkSlot(slot) {
    if (Number.isInteger(slot) && slot >= 0 && slot < this.slots) return slot;
    throw new AgentError(`slot: expected 0 to ${this.slots - 1}, found ${slot}`);
  }

  /** The addresses of the buffers, which any call may move. */
  #layout() {
    const words = new Uint32Array(this.#exports.memory.buffer, this.#layoutAt, LAYOUT.length);
    return Object.fromEntries(LAYOUT.map((name, word) => [name, words[word]]));
  }

  /** A view of a buffer; of none, its address may be any. */
  #view(type, address, length) {
    return length ? new type(this.#exports.memory.buffer, address, length) : new type(0);
  }

  #text(at) {
    if (at === 0) this.#check(-1);
    return textAt(this.#exports.memory.buffer, at);
  }

  /** Passes on a result that is no error. */
  #check(result) {
    if (result >= 0) return result;
    const text = textAt(this.#exports.memory.buffer, this.#errorAt);
    if (!text.startsWith("{")) throw new AgentError(text);
    const { path, expected, found } = JSON.parse(text);
    throw new AgentError(`${path || "state"}: expected ${expected}, found ${found}`);
  }
}

/** Reads the text whose address and length are at `at`. */
function textAt(buffer, at) {
  const [address, length] = new Uint32Array(buffer, at >>> 0, 2);
  return new TextDecoder().decode(new Uint8Array(buffer, address, length));
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
