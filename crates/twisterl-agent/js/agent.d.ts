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
  /** The ranking of a beam: `policy`, `value`, or the weight of a blend. */
  score?: "policy" | "value" | number;
  twists?: "none" | "average" | "each";
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

/** A policy with its environment. */
export class Agent {
  private constructor();
  /** Loads a bundle: its bytes, a compiled module, a response, or the address of a file. */
  static load(source: BufferSource | WebAssembly.Module | Response | URL | string): Promise<Agent>;
  /** Solves a problem. */
  solve(request: Problem & SolveOptions): Solution;
  /** Evaluates a state or an observation. */
  evaluate(request: { state: State } | { observation: Observation }): Evaluation;
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
