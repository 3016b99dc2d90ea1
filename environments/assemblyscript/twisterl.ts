// What environments of TwisteRL in AssemblyScript need besides their rules: random numbers, texts, buffers and parameters.
// Built with --runtime stub, nothing is freed: allocate in te_init and te_scratch alone.
//
// SPDX-License-Identifier: Apache-2.0

export const ABI: i32 = 1 << 16;
export const FAILED: i32 = -1;
export const REFUSED: i32 = -2;
export const UNIFORM: i32 = 1;
export const STATE: i32 = 2;
export const TERMINATED: i32 = 1;
export const TRUNCATED: i32 = 2;
export const SOLVED: i32 = 4;

/** Returns `size` bytes of zeros. */
export function allocate(size: i32): usize {
  const at = heap.alloc(<usize>size + 16);
  memory.fill(at, 0, <usize>size + 16);
  return (at + 15) & ~(<usize>15);
}

/** A text at an address that stays: its first byte and its length. */
export class Text {
  at: usize = allocate(8);
  set(text: string): usize {
    store<usize>(this.at, changetype<usize>(String.UTF8.encode(text)));
    store<i32>(this.at, String.UTF8.byteLength(text), 4);
    return this.at;
  }
}

export const error = new Text();
export const description = new Text();
export const answer = new Text();

/** Keeps the text of an error. */
export function fail(text: string, code: i32 = FAILED): i32 {
  error.set(text);
  return code;
}

/** Keeps the parts of an error about a parameter or, without a path, about a state. */
export function refuse(path: string, expected: string, found: string, code: i32 = FAILED): i32 {
  const member = path.length ? `"path": "${path}", ` : "";
  return fail(`{${member}"expected": "${expected}", "found": "${found.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"}`, code);
}

/** The buffers of the layout, in its order, at `te_layout`. */
export namespace layout {
  export const at: usize = allocate(14 * 4);
  export let key: usize = 0;
  export let slots: usize = 0;
  export let discrete: usize = 0;
  export let rewards: usize = 0;
  export let flags: usize = 0;
  export let offsets: usize = 0;
  export let indices: usize = 0;
  export let masks: usize = 0;
  export let state: usize = 0;
  export let best: usize = 0;

  /** Makes buffers for environments with a choice among `choices` actions, at most `ones` ones and `numbers` of a state. */
  export function allocate_for(count: i32, choices: i32, ones: i32, numbers: i32): void {
    key = allocate(32);
    slots = allocate(8 * count);
    discrete = allocate(4 * count);
    rewards = allocate(4 * count);
    flags = allocate(4 * count);
    offsets = allocate(4 * count + 4);
    indices = allocate(4 * count * ones);
    masks = allocate(count * choices);
    state = allocate(8 * numbers);
    best = allocate(4 * count);
    const addresses: usize[] = [ABI, key, slots, discrete, 0, rewards, flags, offsets, indices, 0, masks, state, 0, best];
    for (let i = 0; i < 14; i++) store<usize>(at + 4 * i, addresses[i]);
  }

  export function slot(i: i32): i32 {
    return load<i32>(slots + 4 * i);
  }
}

/** The stream of the key in the layout: ChaCha with 8 rounds, as twisterl_random.h. */
export class Rng {
  /** The next block before its rounds, and the words of the current one. */
  private begin: usize = allocate(64);
  private words: usize = allocate(64);
  private used: i32 = 16;

  restart(key: usize): void {
    store<u32>(this.begin, 0x61707865);
    store<u32>(this.begin, 0x3320646e, 4);
    store<u32>(this.begin, 0x79622d32, 8);
    store<u32>(this.begin, 0x6b206574, 12);
    memory.copy(this.begin + 16, key, 32);
    memory.fill(this.begin + 48, 0, 16);
    this.used = 16;
  }

  u32(): u32 {
    if (this.used == 16) this.next();
    return load<u32>(this.words + 4 * this.used++);
  }

  /** Returns a number from 0 to n - 1, as random_range of rand 0.10. */
  below(n: u32): u32 {
    const product = <u64>this.u32() * n;
    let result = <u32>(product >> 32);
    const low = <u32>product;
    if (low > 0 - n) {
      const more = <u32>((<u64>this.u32() * n) >> 32);
      if (low + more < low) result++;
    }
    return result;
  }

  private next(): void {
    const x = this.words;
    memory.copy(x, this.begin, 64);
    for (let round = 0; round < 4; round++) {
      quarter(x, x + 16, x + 32, x + 48);
      quarter(x + 4, x + 20, x + 36, x + 52);
      quarter(x + 8, x + 24, x + 40, x + 56);
      quarter(x + 12, x + 28, x + 44, x + 60);
      quarter(x, x + 20, x + 40, x + 60);
      quarter(x + 4, x + 24, x + 44, x + 48);
      quarter(x + 8, x + 28, x + 32, x + 52);
      quarter(x + 12, x + 16, x + 36, x + 56);
    }
    for (let i = 0; i < 64; i += 4) store<u32>(x + i, load<u32>(x + i) + load<u32>(this.begin + i));
    store<u64>(this.begin, load<u64>(this.begin, 48) + 1, 48);
    this.used = 0;
  }
}

/** Mixes four words at addresses, which are read and written once. */
// @ts-ignore: decorator
@inline
function quarter(at: usize, bt: usize, ct: usize, dt: usize): void {
  let a = load<u32>(at), b = load<u32>(bt), c = load<u32>(ct), d = load<u32>(dt);
  a += b;
  d = rotl<u32>(d ^ a, 16);
  c += d;
  b = rotl<u32>(b ^ c, 12);
  a += b;
  d = rotl<u32>(d ^ a, 8);
  c += d;
  b = rotl<u32>(b ^ c, 7);
  store<u32>(at, a);
  store<u32>(bt, b);
  store<u32>(ct, c);
  store<u32>(dt, d);
}

/** Splits a JSON object into names and values, as the host writes it: valid, flat, without line breaks. */
export function members(json: string): string[][] {
  const found: string[][] = [];
  let at = json.indexOf('"');
  while (at >= 0) {
    const end = json.indexOf('"', at + 1);
    let value = json.indexOf(":", end) + 1;
    let last = value;
    let quoted = false;
    for (; last < json.length; last++) {
      const character = json.charCodeAt(last);
      if (quoted && character == 0x5c) last++;
      else if (character == 0x22) quoted = !quoted;
      else if (!quoted && (character == 0x2c || character == 0x7d)) break;
    }
    found.push([json.substring(at + 1, end), json.substring(value, last).trim()]);
    at = json.indexOf('"', last);
  }
  return found;
}
