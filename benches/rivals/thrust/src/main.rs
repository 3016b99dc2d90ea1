//! PPO on CartPole-v1 by thrust-rl: `rival-thrust SEED zoo|shipped MAX_STEPS EVERY`.
//!
//! Prints a JSON line for each evaluation: environment steps, seconds of training, mean return of 100 greedy episodes.
//! `zoo` are the hyperparameters of the RL Zoo, without the schedules that the crate lacks; `shipped` are those of the
//! crate's own example.

use anyhow::{Context, Result};
use burn::backend::{Autodiff, NdArray};
use burn::optim::AdamConfig;
use burn::tensor::{Int, Tensor, TensorData};
use std::time::{Duration, Instant};
use thrust_rl::env::{cartpole::CartPole, pool::EnvPool};
use thrust_rl::policy::mlp::{BurnActivation, MlpBurnConfig, MlpBurnPolicy};
use thrust_rl::train::{
    optimizer::BurnOptimizer,
    ppo::{PPOConfig, PPOTrainerBurn},
};

type Backend = Autodiff<NdArray<f32>>;
type Policy = MlpBurnPolicy<Backend>;
const EPISODES: usize = 100;
const LIMIT: usize = 500;

struct Recipe {
    envs: usize,
    steps: usize,
    hidden: usize,
    activation: BurnActivation,
    lr: f64,
    gamma: f32,
    lambda: f32,
    epochs: usize,
    batch: usize,
    entropy: f64,
}

fn recipe(name: &str) -> Result<Recipe> {
    Ok(match name {
        "zoo" => Recipe {
            envs: 8,
            steps: 32,
            hidden: 64,
            activation: BurnActivation::Tanh,
            lr: 1e-3,
            gamma: 0.98,
            lambda: 0.8,
            epochs: 20,
            batch: 256,
            entropy: 0.0,
        },
        "shipped" => Recipe {
            envs: 16,
            steps: 256,
            hidden: 128,
            activation: BurnActivation::ReLU,
            lr: 3e-4,
            gamma: 0.99,
            lambda: 0.95,
            epochs: 10,
            batch: 128,
            entropy: 0.01,
        },
        _ => anyhow::bail!("recipe: expected zoo or shipped, found {name}"),
    })
}

fn rows(observations: &[Vec<f32>]) -> Tensor<Backend, 2> {
    let data: Vec<f32> = observations.iter().flatten().copied().collect();
    Tensor::from_data(TensorData::new(data, [observations.len(), 4]), &Default::default())
}

/// A column of a batch.
fn column(values: Vec<f32>) -> Tensor<Backend, 1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), &Default::default())
}

/// Mean return of greedy episodes.
fn evaluate(policy: &Policy) -> Result<f64> {
    let mut pool = EnvPool::new(CartPole::new, EPISODES);
    let mut observations = pool.reset();
    let mut over = [false; EPISODES];
    let mut total = 0;
    for _ in 0..LIMIT {
        let (logits, _) = policy.forward(rows(&observations));
        let actions: Vec<i64> = logits.argmax(1).into_data().iter::<i64>().collect();
        for (i, result) in pool.step(&actions).into_iter().enumerate() {
            total += usize::from(!over[i]);
            over[i] |= result.terminated || result.truncated;
            observations[i] = result.observation;
        }
        if over.iter().all(|&o| o) {
            break;
        }
    }
    Ok(total as f64 / EPISODES as f64)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, name, max_steps, every] = &arguments[..] else {
        anyhow::bail!("expected SEED RECIPE MAX_STEPS EVERY")
    };
    let (seed, max_steps, every): (u64, usize, usize) =
        (seed.parse()?, max_steps.parse()?, every.parse()?);
    let r = recipe(name)?;
    let config = MlpBurnConfig {
        num_layers: 2,
        hidden_dim: r.hidden,
        use_orthogonal_init: true,
        activation: r.activation,
        seed: Some(seed),
    };
    let policy = Policy::with_config(4, 2, config, &Default::default());
    let optimizer: BurnOptimizer<Backend, Policy, _> =
        BurnOptimizer::new(AdamConfig::new().init(), r.lr);
    let config = PPOConfig::new()
        .learning_rate(r.lr)
        .n_epochs(r.epochs)
        .batch_size(r.batch)
        .gamma(f64::from(r.gamma))
        .gae_lambda(f64::from(r.lambda))
        .clip_range(0.2)
        .vf_coef(0.5)
        .ent_coef(r.entropy)
        .max_grad_norm(0.5)
        .target_kl(1.0)
        .seed(seed);
    let mut trainer = PPOTrainerBurn::new(config, policy, optimizer)?;
    let mut pool = EnvPool::new(CartPole::new, r.envs);
    let mut observations = pool.reset();
    let (mut steps, mut next) = (0, every);
    let mut trained = Duration::ZERO;
    while steps < max_steps {
        let begun = Instant::now();
        let size = r.envs * r.steps;
        let (mut seen, mut actions, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut values, mut rewards, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..r.steps {
            let (chosen, log_probs, guessed) = trainer.policy().get_action_host(rows(&observations));
            seen.extend(observations.iter().flatten().copied());
            for (i, result) in pool.step(&chosen).into_iter().enumerate() {
                let end = result.terminated || result.truncated;
                rewards.push(result.reward);
                ends.push(end);
                observations[i] = if end { pool.reset_env(i)? } else { result.observation };
            }
            actions.extend(chosen);
            logs.extend(log_probs);
            values.extend(guessed);
        }
        let (_, _, last) = trainer.policy().get_action_host(rows(&observations));
        // Generalised advantage estimation, backwards.
        let mut advantages = vec![0.0; size];
        let mut sums = vec![0.0; r.envs];
        for i in (0..size).rev() {
            let env = i % r.envs;
            let follows = values.get(i + r.envs).copied().unwrap_or(last[env]);
            let on = if ends[i] { 0.0 } else { 1.0 };
            sums[env] = rewards[i] + r.gamma * follows * on - values[i]
                + r.gamma * r.lambda * on * sums[env];
            advantages[i] = sums[env];
        }
        let returns = advantages.iter().zip(&values).map(|(a, v)| a + v).collect();
        trainer
            .train_step(
                Tensor::from_data(TensorData::new(seen, [size, 4]), &Default::default()),
                Tensor::<Backend, 1, Int>::from_data(
                    TensorData::new(actions, [size]),
                    &Default::default(),
                ),
                column(logs),
                column(values),
                column(advantages),
                column(returns),
                |policy, observations, actions| policy.evaluate_actions(observations, actions),
            )
            .context("training")?;
        trained += begun.elapsed();
        steps += size;
        if steps >= next {
            next += every;
            let reward = evaluate(trainer.policy())?;
            println!(r#"{{"steps":{steps},"seconds":{:.4},"reward":{reward}}}"#, trained.as_secs_f64());
        }
    }
    Ok(())
}
