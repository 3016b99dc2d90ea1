//! Names that users mistake: the nearest known name, and the names that other packages use.

/// The longest name that is compared, in characters.
const MAX_NAME: usize = 120;

/// The beginning of a question for the name that is meant.
const QUESTION: &str = " (did you mean ";

/// Names of fields by the words that other packages, or people, use for them.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("AZ", &["alphazero", "alpha_zero", "muzero", "mcts"]),
    ("BackwardScramble", &["backward_scrambles", "deepcube", "deepcubea", "supervised"]),
    ("BasicPolicy", &["mlppolicy", "mlp_policy", "basic"]),
    ("C", &["c_puct", "cpuct", "puct_c", "pb_c_init", "exploration_constant"]),
    ("ES", &["evolution_strategies", "evolution", "openes", "open_es", "openai_es"]),
    ("activation", &["activation_fn", "activation_function", "act", "nonlinearity"]),
    ("algorithm_cls", &["algo", "alg", "algo_cls", "algorithm_name", "agent", "algorithm_class"]),
    ("attention", &["self_attention", "multihead_attention", "transformer", "mha"]),
    ("averaging", &["ema", "ema_decay", "polyak", "tau"]),
    ("betas", &["beta", "beta1", "beta2", "adam_betas"]),
    (
        "checkpoint_freq",
        &["save_freq", "save_interval", "save_every", "checkpoint_every", "checkpoint_interval"],
    ),
    (
        "clip_ratio",
        &[
            "clip_range",
            "clip_coef",
            "clip_eps",
            "clip_epsilon",
            "clip_param",
            "clip",
            "eps_clip",
            "epsilon_clip",
        ],
    ),
    (
        "common_layers",
        &[
            "net_arch",
            "hidden_layers",
            "hidden_sizes",
            "hidden_size",
            "hidden",
            "hiddens",
            "hidden_dims",
            "fcnet_hiddens",
            "mlp_layers",
            "num_units",
        ],
    ),
    ("deterministic", &["greedy", "stochastic", "sample"]),
    ("device", &["cuda", "gpu", "use_cuda", "use_gpu", "accelerator"]),
    ("diff_max", &["max_difficulty", "difficulty_max"]),
    ("diff_start", &["start_difficulty", "initial_difficulty", "difficulty_start"]),
    ("diff_threshold", &["threshold", "success_threshold"]),
    (
        "difficulty",
        &[
            "scramble_depth",
            "scramble",
            "scrambles",
            "num_scrambles",
            "shuffle",
            "shuffles",
            "depth",
            "level",
        ],
    ),
    ("embedding_size", &["embed_dim", "embedding_dim", "d_model", "embed_size"]),
    (
        "ent_coef",
        &[
            "entropy_coef",
            "entropy_coeff",
            "entropy",
            "entropy_cost",
            "entropy_weight",
            "entropy_bonus",
            "entropy_beta",
        ],
    ),
    ("env", &["env_kwargs", "env_params", "env_config", "env_args", "environment_kwargs"]),
    (
        "env_cls",
        &[
            "env_id",
            "env_name",
            "env_class",
            "environment",
            "environment_name",
            "gym_id",
            "game",
            "task",
        ],
    ),
    ("eps", &["epsilon", "adam_eps", "adam_epsilon", "optimizer_epsilon"]),
    ("evals", &["eval", "evaluation", "evaluations", "evaluate"]),
    ("every", &["eval_freq", "eval_interval", "eval_every", "frequency", "interval"]),
    ("gamma", &["discount", "discount_factor", "discounting"]),
    ("height", &["rows", "num_rows", "n_rows"]),
    ("lambda", &["gae_lambda", "lam", "lmbda", "lambda_", "gae", "td_lambda"]),
    ("layer_norm", &["norm", "layernorm", "ln", "batch_norm"]),
    ("linear", &["dense", "fc", "fully_connected", "affine"]),
    ("log_freq", &["log_interval", "log_every", "logging_freq", "log_frequency"]),
    ("lr", &["learning_rate", "learningrate", "step_size", "stepsize", "alpha", "init_lr"]),
    ("lr_final", &["lr_end", "final_lr", "min_lr", "end_lr"]),
    ("max_episode_steps", &["max_steps", "time_limit", "horizon", "episode_length"]),
    (
        "max_grad_norm",
        &[
            "grad_clip",
            "gradient_clip",
            "clip_grad",
            "clip_grad_norm",
            "max_gradient_norm",
            "gradient_clipping",
            "grad_norm_clip",
        ],
    ),
    (
        "max_steps",
        &[
            "max_episode_steps",
            "max_episode_length",
            "episode_length",
            "time_limit",
            "horizon",
            "episode_limit",
        ],
    ),
    (
        "minibatch_size",
        &[
            "batch_size",
            "batchsize",
            "mini_batch_size",
            "sgd_minibatch_size",
            "num_minibatches",
            "n_minibatches",
            "nminibatches",
        ],
    ),
    ("noise", &["dirichlet_alpha", "dirichlet_noise", "root_noise", "exploration_fraction"]),
    (
        "normalize_advantage",
        &["norm_adv", "adv_norm", "normalize_adv", "standardize_advantages", "whiten_advantages"],
    ),
    ("normalize_observations", &["norm_obs", "obs_norm", "normalize_obs", "normalize_observation"]),
    ("normalize_rewards", &["norm_reward", "norm_rewards", "reward_norm", "normalize_reward"]),
    (
        "num_cores",
        &["num_threads", "n_threads", "threads", "n_jobs", "num_cpus", "cores", "num_workers"],
    ),
    ("num_envs", &["n_envs", "nenvs", "num_environments", "n_workers", "num_workers", "num_env"]),
    (
        "num_episodes",
        &[
            "n_episodes",
            "episodes",
            "n_eval_episodes",
            "eval_episodes",
            "num_eval_episodes",
            "games",
        ],
    ),
    (
        "num_epochs",
        &[
            "n_epochs",
            "epochs",
            "update_epochs",
            "num_sgd_iter",
            "noptepochs",
            "ppo_epochs",
            "k_epochs",
        ],
    ),
    (
        "num_iterations",
        &[
            "n_iterations",
            "iterations",
            "num_steps",
            "total_timesteps",
            "timesteps",
            "total_steps",
            "max_iterations",
            "num_updates",
            "n_updates",
            "total_iterations",
            "max_timesteps",
            "training_iterations",
        ],
    ),
    (
        "num_mcts_searches",
        &[
            "num_simulations",
            "n_simulations",
            "simulations",
            "num_sims",
            "mcts_simulations",
            "mcts_searches",
            "playouts",
        ],
    ),
    ("policy", &["model", "network", "net", "policy_kwargs", "model_kwargs", "network_kwargs"]),
    ("policy_cls", &["policy_class", "model_cls", "model_class"]),
    ("policy_layers", &["actor", "actor_layers", "action_layers", "pi"]),
    ("population", &["population_size", "pop_size", "popsize", "num_perturbations"]),
    ("relu", &["leaky_relu", "elu", "prelu", "relu6"]),
    (
        "rollout_length",
        &[
            "n_steps",
            "num_steps",
            "nsteps",
            "rollout_steps",
            "rollout_fragment_length",
            "unroll_length",
            "num_rollout_steps",
            "horizon",
        ],
    ),
    ("schedule", &["lr_schedule", "lr_scheduler", "scheduler", "anneal_lr", "lr_decay"]),
    ("seed", &["random_seed", "rng_seed"]),
    ("sigma", &["noise_std", "noise_stdev", "sigma_init", "perturbation_scale"]),
    ("silu", &["swish"]),
    ("target_kl", &["kl_target", "max_kl", "desired_kl", "kl_max"]),
    ("value_layers", &["critic", "critic_layers", "vf", "vf_layers"]),
    (
        "vf_coef",
        &[
            "value_coef",
            "value_loss_coef",
            "vf_loss_coeff",
            "vf_coeff",
            "critic_coef",
            "value_loss_weight",
            "baseline_cost",
        ],
    ),
    ("weight_decay", &["l2", "wd", "l2_reg", "l2_penalty"]),
    ("width", &["size", "cols", "columns", "n", "grid_size", "board_size", "n_cols"]),
];

/// Returns the fields that other packages call `name`.
pub fn synonyms(name: &str) -> impl Iterator<Item = &'static str> {
    let word = name.to_ascii_lowercase().replace(['-', ' '], "_");
    let fields = SYNONYMS.iter();
    fields.filter_map(move |(field, words)| words.contains(&word.as_str()).then_some(*field))
}

/// Returns the name that is closest to `name`, if one is close. Upper and lower case are the same; two letters in the
/// wrong order count as one mistake.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().nth(MAX_NAME).is_some() {
        return None;
    }
    let wanted = name.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&wanted, &known.to_ascii_lowercase());
    let near = known.into_iter().map(|known| (distance(known), known));
    let (distance, best) = near.min_by_key(|(distance, _)| *distance)?;
    let length = best.chars().count();
    (distance <= length.div_ceil(3) && distance < length).then_some(best)
}

/// Returns the environment of `known` that is meant by a name that none of them has.
pub fn nearest_environment<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    // `15-puzzle`, `lights_out` and `CartPole-v0` are meant as the names without versions and signs.
    let plain = |name: &str| {
        let name = name.rsplit(['.', ':', '/']).next().unwrap_or(name);
        let (stem, version) = name.rsplit_once("-v").unwrap_or((name, ""));
        let name = if version.chars().all(|c| c.is_ascii_digit()) { stem } else { name };
        name.chars().filter(|c| c.is_ascii_alphabetic()).collect::<String>()
    };
    let known = || known.iter().map(String::as_str);
    nearest(name, known())
        .or_else(|| nearest(&plain(name), known()))
        .or_else(|| known().find(|known| holds_word(name, known)))
}

/// Returns the words for a name that none of the environments `known` has.
pub fn unknown_environment(name: &str, known: &[String]) -> String {
    let meant = nearest_environment(name, known).map_or_else(String::new, question);
    format!("unknown environment {name:?}{meant}")
}

/// Returns true if the name of an environment is a part of `name`, as in `SlidingPuzzle`.
fn holds_word(name: &str, known: &str) -> bool {
    known.len() > 3 && name.to_ascii_lowercase().contains(&known.to_ascii_lowercase())
}

/// Returns ` (did you mean ...?)` with the known name that is closest to `name`, or else the one that `name` is a
/// [synonym](synonyms) of; nothing if there is none.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let synonym = || synonyms(name).find(|field| known.contains(field));
    nearest(name, known.iter().copied()).or_else(synonym).map_or_else(String::new, question)
}

/// Returns ` (did you mean ...?)` with this name.
pub fn question(name: &str) -> String {
    format!("{QUESTION}`{name}`?)")
}

/// Splits a text into its beginning and the [question] behind it, which is empty if there is none.
pub fn split_question(text: &str) -> (&str, &str) {
    text.split_at(text.find(QUESTION).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        let known = ["lambda", "gamma", "num_envs", "C", "ent_coef"];
        for (name, found) in [
            ("lamdba", Some("lambda")),
            ("Gamma", Some("gamma")),
            ("num-envs", Some("num_envs")),
            ("c", Some("C")),
            ("ent_coeff", Some("ent_coef")),
            ("minibatch", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known), found, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn words_of_other_packages_lead_to_fields() {
        for (name, fields) in [
            ("learning_rate", vec!["lr"]),
            ("Batch-Size", vec!["minibatch_size"]),
            ("num_steps", vec!["num_iterations", "rollout_length"]),
            ("zzz", vec![]),
        ] {
            assert_eq!(synonyms(name).collect::<Vec<_>>(), fields);
        }
        assert_eq!(did_you_mean("size", ["width", "height"]), " (did you mean `width`?)");
        assert_eq!(did_you_mean("size", ["lr"]), "");
    }

    #[test]
    fn no_field_is_a_synonym_of_itself() {
        for (field, words) in SYNONYMS {
            assert!(!words.contains(field), "{field}");
            assert!(words.iter().all(|word| *word == word.to_ascii_lowercase()), "{field}");
        }
    }
}
