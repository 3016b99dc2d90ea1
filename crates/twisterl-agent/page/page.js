// The page of an agent: shows its board, takes states and moves, and steps through solutions.

const element = (id) => document.getElementById(id);
const text = (id) => element(id).textContent;

/** The agent, in a worker. */
class RemoteAgent {
  #bytes = Uint8Array.from(atob(text("bundle")), (letter) => letter.charCodeAt(0));
  // Not a module: a page that is opened as a file may start no workers that are modules.
  #script = text("agent").replaceAll(/^export /gm, "") + text("worker");
  #source = URL.createObjectURL(new Blob([this.#script], { type: "text/javascript" }));
  #waiting = new Map();
  #count = 0;
  #worker = null;

  /** Starts the worker and returns the description of the agent. */
  start() {
    this.#worker = new Worker(this.#source);
    this.#worker.onmessage = ({ data: { id, answer, error } }) => {
      const [resolve, reject] = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    };
    this.#worker.onerror = (event) => this.#end(new Error(event.message ?? "this browser cannot start the agent"));
    return this.#post({ bytes: this.#bytes });
  }

  request(request) {
    return this.#post({ request });
  }

  /** Returns the states along a path of actions. */
  statesOf(path) {
    return this.#post({ path });
  }

  /** Ends the worker in the middle of what it does, and starts another one. */
  async restart() {
    this.#worker.terminate();
    this.#end(new Error("stopped"));
    await this.start();
  }

  #post(message) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#count, [resolve, reject]);
      this.#worker.postMessage({ id: this.#count, ...message });
    });
  }

  #end(error) {
    for (const [, reject] of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const agent = new RemoteAgent();
let about; // the description of the agent
let state = null; // what is on the board
let solution = null; // { states, moves, solved } of the solution that is being looked at
let timer = null; // of the player
let busy = false;

// Drawing

/** Returns the picture of a state: cells for boards that are known here, else the text that the environment gives. */
async function picture(state) {
  const { width, height } = about.env ?? {};
  const isBoard = state.length === width * height;
  if (about.env_cls === "Puzzle" && isBoard) {
    const goal = about.env.goal === "blank_last" ? (number) => number - 1 : (number) => number;
    return grid(width, state.map((number, place) => {
      if (number === 0) return { kind: "hole", label: "" };
      return { kind: goal(number) === place ? "home" : "", label: String(number) };
    }));
  }
  if (about.env_cls === "LightsOut" && isBoard) {
    return grid(width, state.map((lit) => ({ kind: lit ? "lit" : "", label: "" })));
  }
  const { text } = await agent.request({ call: "render", state });
  const board = document.createElement("pre");
  board.textContent = text.replace(/\x1b\[[0-9;]*m/g, "");
  return board;
}

function grid(width, cells) {
  const board = document.createElement("div");
  board.className = "grid";
  board.style.gridTemplateColumns = `repeat(${width}, 1fr)`;
  for (const { kind, label } of cells) {
    const cell = document.createElement("span");
    cell.className = `cell ${kind}`;
    cell.textContent = label;
    board.append(cell);
  }
  return board;
}

/** Draws the state on the board, and the moves that are possible there. */
async function show(next) {
  const [board, evaluation] = await Promise.all([
    picture(next),
    agent.request({ call: "evaluate", state: next }),
  ]);
  state = next;
  element("board").replaceChildren(board);
  element("state").value = next.join(" ");
  element("moves").replaceChildren(...moves(evaluation));
  element("value").textContent = `value ${evaluation.value.toPrecision(3)}`;
  if (evaluation.action === null) element("status").textContent = "solved";
}

/** Returns a parameter as text; numbers of single precision without the digits that double precision adds. */
function short(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(7))) : JSON.stringify(value);
}

/** Returns a button for each action that is one choice, with its probability. */
function moves({ log_probs: logs, mask, action }) {
  if (!about.action_names) return [note("Actions are numbers: use Solve.")];
  if (action === null) return [note("Nothing is left to do.")];
  return about.action_names.map((name, index) => {
    const probability = logs[index] === null ? 0 : Math.exp(logs[index]);
    const button = document.createElement("button");
    button.type = "button";
    button.className = index === action ? "move best" : "move";
    button.disabled = !mask[index];
    const [label, bar, share] = ["span", "span", "span"].map((tag) => document.createElement(tag));
    label.textContent = name;
    bar.className = "bar";
    bar.append(document.createElement("span"));
    bar.firstChild.style.width = `${100 * probability}%`;
    share.className = "share";
    share.textContent = mask[index] ? `${(100 * probability).toFixed(1)} %` : "–";
    button.append(label, bar, share);
    button.onclick = () => attempt(() => move(index));
    return button;
  });
}

function note(words) {
  const paragraph = document.createElement("p");
  paragraph.textContent = words;
  return paragraph;
}

// What people do

async function move(action) {
  forget();
  const step = await agent.request({ call: "step", state, action });
  element("status").textContent = step.solved ? "solved" : "";
  await show(step.state);
}

async function scramble() {
  forget();
  const request = { call: "scramble", seed: whole("seed") };
  if (element("difficulty").value !== "") request.difficulty = whole("difficulty");
  const { state } = await agent.request(request);
  element("status").textContent = "";
  await show(state);
  element("seed").value = String(request.seed + 1);
}

/** Returns the whole number in a field. */
function whole(id) {
  const number = Number(element(id).value);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${id}: expected a whole number, found ${element(id).value}`);
  return number;
}

async function setState() {
  const numbers = element("state").value.split(/[\s,;[\]()]+/).filter((part) => part !== "");
  const next = numbers.map(Number);
  const wrong = next.findIndex((number) => !Number.isFinite(number));
  if (wrong >= 0) throw new Error(`state: expected numbers, found ${numbers[wrong]}`);
  await show(next);
  forget();
  element("status").textContent = "";
}

async function solve() {
  forget();
  const request = { call: "solve", state };
  const search = element("search").value.trim();
  if (search !== "") request.search = search;
  const begun = performance.now();
  element("result").textContent = "searching …";
  const record = await agent.request(request);
  const seconds = (performance.now() - begun) / 1000;
  const count = `${record.moves.length} move${record.moves.length === 1 ? "" : "s"}`;
  const end = record.solved === false ? `not solved after ${count}` : record.solved ? `solved in ${count}` : `return ${record.reward}`;
  const time = seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
  element("result").textContent = `${end}, ${record.nodes.toLocaleString("en")} nodes, ${time}`;
  element("result").className = record.solved ? "solved" : "";
  const states = await agent.statesOf({ state: record.state, actions: record.actions });
  solution = { states, moves: record.moves, solved: record.solved };
  element("slider").max = String(states.length - 1);
  element("path").replaceChildren(...record.moves.map((name, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.onclick = () => attempt(() => goTo(index + 1));
    item.append(button);
    return item;
  }));
  element("solution").hidden = record.moves.length === 0;
  await goTo(0);
}

// The player

async function goTo(step) {
  const last = solution.states.length - 1;
  const at = Math.max(0, Math.min(last, step));
  element("slider").value = String(at);
  element("step").textContent = `${at} of ${last}`;
  element("path").querySelectorAll("button").forEach((button, index) => {
    button.toggleAttribute("aria-current", index === at - 1);
  });
  await show(solution.states[at]);
  const end = at === last && solution.solved ? "solved" : "";
  element("status").textContent = [solution.moves[at - 1], end].filter(Boolean).join(", ");
}

const here = () => Number(element("slider").value);

function play() {
  if (timer) return pause();
  if (here() === solution.states.length - 1) element("slider").value = "0";
  element("play").textContent = "Pause";
  timer = setInterval(() => {
    if (!solution || here() >= solution.states.length - 1) return pause();
    attempt(() => goTo(here() + 1));
  }, 300);
}

function pause() {
  clearInterval(timer);
  timer = null;
  element("play").textContent = "Play";
}

/** Leaves the solution that was looked at. */
function forget() {
  pause();
  solution = null;
  element("solution").hidden = true;
  element("result").textContent = "";
}

/** Does something that can fail; one thing at a time. */
async function attempt(action) {
  if (busy) return;
  busy = true;
  element("stop").disabled = false;
  try {
    await action();
    element("error").hidden = true;
  } catch (error) {
    element("result").textContent = "";
    fail(error.message);
  } finally {
    busy = false;
    element("stop").disabled = true;
  }
}

function fail(message) {
  element("error").textContent = message;
  element("error").hidden = false;
}

function listen(id, event, action) {
  element(id).addEventListener(event, (fired) => {
    if (event === "submit") fired.preventDefault();
    attempt(action);
  });
}

listen("problem", "submit", setState);
listen("scramble", "click", scramble);
listen("solver", "submit", solve);
listen("first", "click", () => goTo(0));
listen("back", "click", () => goTo(here() - 1));
listen("forward", "click", () => goTo(here() + 1));
listen("last", "click", () => goTo(solution.states.length - 1));
listen("slider", "input", () => goTo(here()));
element("play").addEventListener("click", play);
element("stop").addEventListener("click", () => agent.restart().catch((error) => fail(error.message)));

try {
  about = await agent.start();
  const params = Object.entries(about.env ?? {}).map(([name, value]) => `${name} ${short(value)}`);
  document.title = element("title").textContent = `Agent for ${about.env_cls}`;
  element("about").textContent = [...params, `${about.parameters.toLocaleString("en")} weights`, about.arithmetic].join(" · ");
  if (about.env_error) throw new Error(about.env_error);
  element("difficulty").value = String(about.difficulty);
  element("search").placeholder = about.solve.search ?? "best-of=64";
  await attempt(scramble);
} catch (error) {
  fail(error.message);
  for (const control of document.querySelectorAll("button, input")) control.disabled = true;
}
document.documentElement.dataset.ready = "true";
