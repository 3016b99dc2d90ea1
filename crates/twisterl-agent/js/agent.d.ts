/** The agent of a bundle: types of agent.js. */

/** Options of solving; those of the bundle apply where a request gives no others. */
export interface SolveOptions {
  /** `greedy`, `sample`, `best-of=N`, `mcts=N`, `gumbel=N`, `beam=W` or `widening=W`. */
  search?: string;
  greedy?: boolean;
  num_searches?: number;
  num_mcts_searches?: number;
  no_backtracking?: boolean;
  exploration?: number;
  max_expand_depth?: number;
  gamma?: number;
  temperature?: number;
  leaves?: number;
  /** The ranking of a beam: `policy`, `value`, `mixed`, or the weight of a blend. */
  score?: "policy" | "value" | "mixed" | number;
  twists?: "none" | "average" | "each";
  /** The best solution: the one with the fewest actions, the default, or with the greatest sum of rewards. */
  objective?: "length" | "return";
  /** `both`: solve the problem and its inverse, and keep the better solution. */
  invert?: "never" | "both";
  /** Maximum number of states evaluated. */
  nodes?: number;
  max_steps?: number;
  /** Seed of all randomness; 0 by default. */
  seed?: number;
}

/** A state, flat or in rows. */
export type State = readonly number[] | readonly (readonly number[])[];

/** A state, or a scramble. */
export type Problem = { state: State; optimal?: number } | { state?: undefined; difficulty?: number };

/** A choice, or the components of an action. */
export type Action = number | number[];

/** The record of a problem, as `twisterl-train solve --json` writes it. */
export interface Solution {
  index: number;
  line: number | null;
  state: number[];
  /** `null` if the environment has no measure of success. */
  solved: boolean | null;
  length: number | null;
  optimal: number | null;
  gap: number | null;
  reward: number;
  moves: string[];
  actions: Action[];
  nodes: number;
  simulations: number;
  /** Always `null`: a bundle has no clock. */
  seconds: null;
  error: null;
}

/** The indices of ones or the values, or both. */
export type Observation = readonly number[] | { ones?: readonly number[]; values?: readonly number[] };

export interface Evaluation {
  /** The outputs of the policy: logits of choices, parameters of distributions over numbers. */
  logits: number[];
  value: number;
  /** The choices that are allowed; `null` for an observation. */
  mask: boolean[] | null;
  /** Where an action is one choice: the logarithms of the probabilities, `null` for actions that are not allowed. */
  log_probs: (number | null)[] | null;
  /** The most probable action. */
  action: Action | null;
  name: string | null;
}

export interface Step {
  state: number[];
  reward: number;
  terminated: boolean;
  truncated: boolean;
  solved: boolean;
}

export interface Description {
  arithmetic: string;
  version: string;
  checksum: string;
  env_cls: string;
  env: unknown;
  observation: unknown;
  actions: unknown;
  parameters: number;
  solve: SolveOptions;
  spaces: unknown;
  action_names?: string[] | null;
  difficulty?: number;
  measures_success?: boolean;
  symmetries?: number;
  /** The reason why the policy solves nothing, if the bundle does not have its environment. */
  env_error?: string;
}

/** An error of an agent: a file that is no bundle, or a request that is refused. */
export class AgentError extends Error {}

/** The evaluation of numbers. */
export interface NumbersEvaluation {
  /** The outputs of the policy. */
  logits: Float32Array;
  value: number;
  /** 1 for the choices that are allowed; `null` for an observation. */
  mask: Uint8Array | null;
}

/** Flags of a step, and of the start of an episode. */
export const TERMINATED: 1;
export const TRUNCATED: 2;
export const SOLVED: 4;

/** The environment of a policy in slots, at frame rate. Typed arrays that methods return hold until the next call. */
export class Environments {
  private constructor();
  /** The number of slots. */
  readonly slots: number;
  /** Name, spaces, difficulty and parameters, as docs/plugins.md has them. */
  readonly description: { name: string; difficulty: number; state: number; [field: string]: unknown };
  /** The numbers of choices and of numbers of an action. */
  readonly choices: number;
  readonly numbers: number;
  /** The number of entries of a mask, and of values of an observation. */
  readonly maskWidth: number;
  readonly valueCount: number;
  /** Begins an episode in a slot, and returns flags. `seed`, or 32 bytes of `key`, is all its randomness. */
  begin(
    slot?: number,
    start?: {
      state?: ArrayLike<number>;
      uniform?: boolean;
      difficulty?: number;
      seed?: number | bigint;
      key?: ArrayLike<number>;
    },
  ): number;
  /** Takes an action in each slot, or in those given. */
  step(
    choices: number | ArrayLike<number>,
    more?: { numbers?: ArrayLike<number>; slots?: ArrayLike<number> },
  ): { rewards: Float32Array; flags: Int32Array };
  /** Observes all slots, or those given: row `i` has the bits from `ones[offsets[i]]` to before `ones[offsets[i + 1]]`. */
  observe(slots?: ArrayLike<number>): {
    offsets: Uint32Array;
    ones: Uint32Array;
    values: Float32Array;
    masks: Uint8Array;
  };
  /** Copies the episode of a slot to another one. */
  copy(from: number, to: number): void;
  /** Returns the state of a slot. */
  state(slot?: number): number[];
  /** Returns the state of a slot as text for people. */
  render(slot?: number): string;
  /** Returns the name of a choice. */
  actionName(choice: number): string;
}

/** A policy with its environment. */
export class Agent {
  private constructor();
  /** Loads a bundle: its bytes, a compiled module, a response, or the address of a file. */
  static load(source: BufferSource | WebAssembly.Module | Response | URL | string): Promise<Agent>;
  /** Solves a problem. */
  solve(request: Problem & SolveOptions): Solution;
  /** Evaluates a state or an observation. */
  evaluate(request: { state: State } | { observation: Observation }): Evaluation;
  /** Evaluates a state, flat, without JSON: the same bits, sooner. */
  evaluateState(state: ArrayLike<number>): NumbersEvaluation;
  /** Evaluates an observation without JSON: 0 or 1 for each of its bits, then its values. */
  evaluateObservation(observation: ArrayLike<number>): NumbersEvaluation;
  /** Begins to play the environment of the policy in so many slots; a second call ends what the first one began. */
  environments(options?: { slots?: number; params?: object }): Environments;
  /** Takes an action in a state. */
  step(request: { state: State; action: Action }): Step;
  /** Describes the policy and its environment. */
  describe(): Description;
  /** Returns a state as text for people. */
  render(state: State): string;
  /** Returns the state of a scramble. */
  scramble(request?: { difficulty?: number; seed?: number }): number[];
  /** Throws if this machine computes other bits than the one that wrote the bundle. */
  selfTest(): void;
  /** Answers a request. */
  request(request: object): unknown;
  /** Answers a request given as JSON text by JSON text, which is the same to the byte on every host. */
  answer(text: string): string;
}
