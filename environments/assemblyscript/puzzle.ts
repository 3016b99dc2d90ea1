// The sliding puzzle of TwisteRL (docs/environments.md) in AssemblyScript: the same boards, scrambles, rewards and budgets.
//
// SPDX-License-Identifier: Apache-2.0

import {
  ABI, FAILED, REFUSED, Rng, SOLVED, STATE, TERMINATED, TRUNCATED, UNIFORM,
  allocate, answer, description, error, fail, layout, members, refuse,
} from "./twisterl";

const MAX_CELLS: i32 = 36;
const MOVES: i32 = 4;
const LIMIT: i64 = 1000000;
const NAMES: string[] = ["left", "up", "right", "down"];

// Whole numbers among the parameters, with their bounds and values.
const WHOLES: string[] = ["width", "height", "difficulty", "depth_slope", "depth_offset", "max_depth"];
const LOW: i64[] = [2, 2, 0, 0, 0, 1];
const HIGH: i64[] = [6, 6, LIMIT, i64.MAX_VALUE, i64.MAX_VALUE, LIMIT];
const DEFAULTS: i64[] = [3, 3, 1, 2, 0, 128];
const REWARDS: string[] = ["solved_reward", "failed_reward", "move_reward"];

let width: i32 = 0;
let height: i32 = 0;
let difficulty: i64 = 0;
let slope: i64 = 0;
let offset: i64 = 0;
let max_depth: i64 = 0;
let solved_reward: f32 = 1;
let failed_reward: f32 = -0.5;
let move_reward: f32 = 0;
let blank_last: bool = false;

let cells: i32 = 0;
let home: i32 = 0;
let count: i32 = 0;
let scratch: usize = 0;
/** Boards: 36 tiles, the cell of the blank, at 40 the budget, and at 44 the one of each cell in observations. */
const SIZE: i32 = 44 + 4 * MAX_CELLS;
let boards: usize = 0;
const solved: usize = allocate(MAX_CELLS);
const targets: usize = allocate(MAX_CELLS * MOVES);
/** For each cell of the blank, its mask. */
const legal: usize = allocate(MAX_CELLS * MOVES);
const rng = new Rng();

function board(slot: i32): usize {
  return boards + slot * SIZE;
}

function slide(b: usize, move: u32): void {
  const blank = load<u8>(b, 36);
  const target = load<u8>(targets + <usize>blank * 4 + move);
  store<u8>(b + blank, load<u8>(b + target));
  store<u8>(b + target, 0);
  store<u8>(b, target, 36);
}

function is_solved(b: usize): bool {
  if (load<u8>(b, 36) != home) return false;
  for (let at = 0; at < MAX_CELLS; at += 4) if (load<u32>(b + at) != load<u32>(solved + at)) return false;
  return true;
}

/** Writes the ones of a board as a whole; a step changes two of them. */
function observe_all(b: usize): void {
  for (let cell = 0; cell < cells; cell++) store<u32>(b + 4 * cell, cell * cells + load<u8>(b + cell), 44);
}

function budget_of(difficulty: i64): i32 {
  return <i32>max<i64>(1, min<i64>(slope * difficulty + offset, max_depth));
}

function is_solvable(b: usize, blank: i32): bool {
  let seen: u64 = 0;
  let odd = false;
  for (let start = 0; start < cells; start++) {
    for (let cell = start; !((seen >> cell) & 1); ) {
      seen |= (<u64>1) << cell;
      cell = (<i32>load<u8>(b + cell) + home) % cells;
      odd = odd != (cell != start);
    }
  }
  const distance = blank / width - home / width + (blank % width) - (home % width);
  return odd == ((distance & 1) == 1);
}

function scramble(b: usize, difficulty: i32): void {
  memory.copy(b, solved, MAX_CELLS);
  store<u8>(b, <u8>home, 36);
  for (let left = difficulty; left > 0; left -= 16) {
    let bits = rng.u32(); // 16 moves of two bits
    for (let i = min(left, 16); i > 0; i--, bits >>= 2) slide(b, bits & 3);
  }
}

function swap(b: usize, one: i32, other: i32): void {
  const kept = load<u8>(b + one);
  store<u8>(b + one, load<u8>(b + other));
  store<u8>(b + other, kept);
}

function draw_uniform(b: usize): void {
  for (let i = 0; i < MAX_CELLS; i++) store<u8>(b + i, <u8>i);
  for (let last = cells - 1; last > 0; last--) swap(b, last, rng.below(last + 1));
  let blank = 0;
  while (load<u8>(b + blank)) blank++;
  if (!is_solvable(b, blank)) swap(b, blank == 0 ? 1 : 0, blank < 2 ? 2 : 1);
  store<u8>(b, <u8>blank, 36);
}

function best_return(is_solved: bool): f32 {
  if (solved_reward < failed_reward || move_reward > 0) return f32.NaN;
  return is_solved ? 0 : solved_reward;
}

function transposed(cell: i32): i32 {
  return (cell % width) * width + cell / width;
}

function transposed_tile(tile: i32): i32 {
  return load<u8>(solved + transposed((tile + home) % cells));
}

function read_params(given: string[][]): i32 {
  const wholes = DEFAULTS.slice(0);
  solved_reward = 1;
  failed_reward = -0.5;
  blank_last = false;
  let has_move_reward = false;
  for (let i = 0; i < given.length; i++) {
    const name = given[i][0];
    const value = given[i][1];
    const whole = WHOLES.indexOf(name);
    const reward = REWARDS.indexOf(name);
    if (whole >= 0) {
      const number = i64.parse(value);
      if (number.toString() != value || number < LOW[whole] || number > HIGH[whole]) {
        return refuse(name, HIGH[whole] > LIMIT ? "a whole number from 0 on" : `${LOW[whole]} to ${HIGH[whole]}`, value);
      }
      // Larger ones give the greatest budget, too.
      wholes[whole] = min<i64>(number, LIMIT);
    } else if (reward >= 0) {
      if (reward == 2 && value == "null") continue;
      const number = f64.parse(value);
      if (!(number >= -1e18 && number <= 1e18)) return refuse(name, "a number from -1e18 to 1e18", value);
      if (reward == 0) solved_reward = <f32>number;
      else if (reward == 1) failed_reward = <f32>number;
      else {
        move_reward = <f32>number;
        has_move_reward = true;
      }
    } else if (name == "goal") {
      blank_last = value == '"blank_last"';
      if (!blank_last && value != '"blank_first"') return refuse(name, "`blank_first` or `blank_last`", value);
    } else {
      return refuse(name, `one of ${WHOLES.join(", ")}, ${REWARDS.join(", ")}, goal`, "an unknown parameter");
    }
  }
  width = <i32>wholes[0];
  height = <i32>wholes[1];
  difficulty = wholes[2];
  slope = wholes[3];
  offset = wholes[4];
  max_depth = wholes[5];
  if (!has_move_reward) move_reward = <f32>-0.5 / <f32>max_depth;
  return 0;
}

function build_board(): void {
  cells = width * height;
  home = blank_last ? cells - 1 : 0;
  for (let cell = 0; cell < MAX_CELLS; cell++) {
    const row = cell / width;
    const column = cell % width;
    store<u8>(solved + cell, <u8>(cell < cells && blank_last ? (cell + 1) % cells : cell));
    const to = targets + cell * MOVES;
    store<u8>(to, <u8>(column > 0 ? cell - 1 : cell));
    store<u8>(to, <u8>(row > 0 ? cell - width : cell), 1);
    store<u8>(to, <u8>(column + 1 < width ? cell + 1 : cell), 2);
    store<u8>(to, <u8>(row + 1 < height ? cell + width : cell), 3);
    for (let move = 0; move < MOVES; move++) store<u8>(legal + cell * MOVES + move, load<u8>(to + move) != cell ? 1 : 0);
  }
}

function describe(given: string[][]): string {
  const params: string[] = [];
  const seen: string[] = [];
  for (let i = 0; i < given.length; i++) {
    seen.push(given[i][0]);
    params.push(`"${given[i][0]}": ${given[i][1]}`);
  }
  for (let i = 0; i < 6; i++) if (!seen.includes(WHOLES[i])) params.push(`"${WHOLES[i]}": ${DEFAULTS[i]}`);
  if (!seen.includes(REWARDS[0])) params.push('"solved_reward": 1.0');
  if (!seen.includes(REWARDS[1])) params.push('"failed_reward": -0.5');
  let twists = "";
  if (width == height) {
    const images: i32[] = [];
    for (let bit = 0; bit < cells * cells; bit++) images.push(transposed(bit / cells) * cells + transposed_tile(bit % cells));
    twists = `{"observation": [${images.join(", ")}], "action": [1, 0, 3, 2]}`;
  }
  return `{"name": "Puzzle", "version": "1.0", "licence": "Apache-2.0",
"observation": {"type": "sparse_binary", "shape": [${cells}, ${cells}]}, "actions": [{"type": "discrete", "n": 4}],
"inverses": [2, 3, 0, 1], "curriculum": true, "uniform": true, "measures_success": true, "state": ${cells},
"difficulty": ${difficulty}, "twists": [${twists}], "params": {${params.join(", ")}}}`;
}

export function te_abi(): i32 {
  return ABI;
}

export function te_scratch(bytes: i32): usize {
  scratch = allocate(bytes);
  return scratch;
}

export function te_init(len: i32, slots: i32): i32 {
  const given = members(String.UTF8.decodeUnsafe(scratch, len));
  if (slots < 1) return fail("init: no slots");
  if (read_params(given) < 0) return FAILED;
  build_board();
  count = slots;
  boards = allocate(slots * SIZE);
  layout.allocate_for(slots, MOVES, MAX_CELLS, MAX_CELLS);
  description.set(describe(given));
  return 0;
}

export function te_describe(): usize {
  return description.at;
}

export function te_layout(): usize {
  return layout.at;
}

export function te_error(): usize {
  return error.at;
}

function refuse_state(expected: string, found: string): i32 {
  return refuse("", expected, found, REFUSED);
}

function begin_at_state(slot: i32, difficulty: i32): i32 {
  if (layout.slot(0) != cells) return refuse_state("as many tiles as cells", layout.slot(0).toString());
  let seen: u64 = 0;
  let blank = 0;
  const next = board(slot);
  for (let cell = 0; cell < cells; cell++) {
    const number = load<f64>(layout.state + 8 * cell);
    if (!(number >= 0 && number < cells) || number != Math.floor(number)) {
      return refuse_state("tiles below the number of cells", `another at position ${cell}`);
    }
    if ((seen >> <u64>number) & 1) return refuse_state("each tile once", `twice ${<i32>number}`);
    seen |= (<u64>1) << <u64>number;
    if (number == 0) blank = cell;
    store<u8>(trial + cell, <u8>number);
  }
  if (!is_solvable(trial, blank)) return refuse_state("a board that moves can solve", "one that is one swap of two tiles off");
  memory.copy(next, solved, MAX_CELLS);
  memory.copy(next, trial, cells);
  store<u8>(next, <u8>blank, 36);
  const full = <i32>max_depth;
  store<i32>(next, difficulty < 0 ? full : min(full, budget_of(min<i64>(difficulty, LIMIT))), 40);
  return 0;
}

const trial: usize = allocate(MAX_CELLS);

export function te_begin(slot: i32, kind: i32, difficulty: i32): i32 {
  if (<u32>slot >= <u32>count) return fail("begin: no such slot");
  const b = board(slot);
  if (kind == STATE) {
    const refused = begin_at_state(slot, difficulty);
    if (refused < 0) return refused;
  } else {
    if (difficulty < 0) return fail("begin: a difficulty from 0 on");
    const now = <i32>min<i64>(difficulty, LIMIT);
    rng.restart(layout.key);
    if (kind == UNIFORM) draw_uniform(b);
    else scramble(b, now);
    store<i32>(b, budget_of(now), 40);
  }
  observe_all(b);
  const is = is_solved(b);
  store<f32>(layout.best, best_return(is));
  return is ? SOLVED : 0;
}

export function te_step(n: i32): i32 {
  if (<u32>n > <u32>count) return fail("step: too many rows");
  // Globals are read once a call.
  const slots = layout.slots, discrete = layout.discrete, flags = layout.flags, rewards = layout.rewards, best = layout.best;
  const first = boards, size = cells, best_solved = best_return(true), best_unsolved = best_return(false);
  for (let i: usize = 0; i < 4 * n; i += 4) {
    const slot = load<u32>(slots + i);
    if (slot >= <u32>count) return fail("step: no such slot");
    const b = first + slot * SIZE;
    const from: u32 = load<u8>(b, 36);
    const to: u32 = load<u8>(targets + 4 * from + (load<u32>(discrete + i) & 3));
    const tile: u32 = load<u8>(b + to);
    store<u8>(b + from, tile);
    store<u8>(b + to, 0);
    store<u8>(b, to, 36);
    store<u32>(b + 4 * from, from * size + tile, 44);
    store<u32>(b + 4 * to, to * size, 44);
    const left = max(load<i32>(b, 40) - 1, 0);
    store<i32>(b, left, 40);
    const is = is_solved(b);
    store<i32>(flags + i, is ? SOLVED | TERMINATED : left ? 0 : TRUNCATED);
    store<f32>(rewards + i, is ? solved_reward : left ? move_reward : failed_reward);
    store<f32>(best + i, is ? best_solved : best_unsolved);
  }
  return 0;
}

export function te_observe(n: i32): i32 {
  if (<u32>n > <u32>count) return fail("observe: too many rows");
  const slots = layout.slots, offsets = layout.offsets, masks = layout.masks, first = boards, size = cells;
  let one = layout.indices;
  store<u32>(offsets, 0);
  for (let i = 0; i < 4 * n; i += 4) {
    const slot = load<u32>(slots + i);
    if (slot >= <u32>count) return fail("observe: no such slot");
    const b = first + slot * SIZE;
    memory.copy(one, b + 44, 4 * size);
    one += 4 * size;
    store<u32>(offsets + i, (<u32>i / 4 + 1) * size, 4);
    store<u32>(masks + i, load<u32>(legal + 4 * <usize>load<u8>(b, 36))); // one byte for each move
  }
  return 0;
}

export function te_copy(n: i32): i32 {
  for (let i = 0; i < n; i++) {
    const from = layout.slot(2 * i);
    const to = layout.slot(2 * i + 1);
    if (<u32>from >= <u32>count || <u32>to >= <u32>count || n > count) return fail("copy: no such slot");
    memory.copy(board(to), board(from), SIZE);
  }
  return 0;
}

export function te_state(slot: i32): i32 {
  if (<u32>slot >= <u32>count) return fail("state: no such slot");
  for (let cell = 0; cell < cells; cell++) store<f64>(layout.state + 8 * cell, load<u8>(board(slot) + cell));
  return cells;
}

export function te_twisted_state(slot: i32, twist: i32): i32 {
  if (<u32>slot >= <u32>count || twist != 0 || width != height) return fail("twisted_state: no such slot or twist");
  for (let cell = 0; cell < cells; cell++) {
    store<f64>(layout.state + 8 * cell, transposed_tile(load<u8>(board(slot) + transposed(cell))));
  }
  return cells;
}

export function te_render(slot: i32): usize {
  if (<u32>slot >= <u32>count) return 0;
  let text = "";
  for (let cell = 0; cell < cells; cell++) {
    const tile = load<u8>(board(slot) + cell);
    if (cell) text += cell % width ? " " : "\n";
    text += (tile ? tile.toString() : ".").padStart(cells > 10 ? 2 : 1);
  }
  return answer.set(text);
}

export function te_action_name(choice: i32): usize {
  return <u32>choice < <u32>MOVES ? answer.set(NAMES[choice]) : 0;
}
