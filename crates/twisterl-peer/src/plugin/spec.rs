//! An environment of the trait as the specification that plugins are made of.

use super::batch::{CopiesBatch, NAME};
use crate::rl::env::Env;
use serde_json::Value;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::registry::{EnvSpec, StartKinds};
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionSpace, ObservationSpace, permute_equal_actions};
use twisterl_core::{Error, Result};

/// An environment with its parameters: those that its class has been called with, which the prototype embodies.
pub(super) struct PrototypeSpec {
    env: Box<dyn Env>,
    params: Value,
    shape: Vec<usize>,
    actions: usize,
    twists: Vec<Twist>,
    curriculum: bool,
}

impl PrototypeSpec {
    /// Reads the spaces of an environment.
    ///
    /// # Errors
    /// If they make no sense.
    pub(super) fn new(env: Box<dyn Env>, params: &Value) -> Result<Self> {
        let (shape, actions) = (env.obs_shape(), env.num_actions());
        let size = ObservationSpace::SparseBinary { shape: shape.clone() }.size().unwrap_or(0);
        if !(1..=u32::MAX as usize).contains(&size) {
            let rule = "obs_shape() is the shape of at least one bit";
            return Err(Error::contract(NAME, rule, format!("{shape:?}")));
        }
        if !(1..=u32::MAX as usize).contains(&actions) {
            return Err(Error::contract(NAME, "num_actions() is at least 1", actions));
        }
        let twists = twists(env.twists(), size, actions)?;
        let curriculum = has_curriculum(env.clone());
        Ok(Self { env, params: params.clone(), shape, actions, twists, curriculum })
    }
}

/// Returns true if the difficulty can be set. The greatest one may be set already.
fn has_curriculum(mut tried: Box<dyn Env>) -> bool {
    let difficulty = tried.get_difficulty();
    [difficulty.saturating_add(1), difficulty.saturating_sub(1)].into_iter().any(|other| {
        tried.set_difficulty(other);
        tried.get_difficulty() != difficulty
    })
}

/// Returns the symmetries but the identity. Without permutations of the actions, these stay where they are.
fn twists(
    (bits, acted): (Vec<Vec<usize>>, Vec<Vec<usize>>),
    size: usize,
    actions: usize,
) -> Result<Vec<Twist>> {
    let stay = acted.is_empty();
    if !stay && acted.len() != bits.len() {
        let rule = "twists() has as many permutations of the observation as of the actions";
        return Err(Error::contract(NAME, rule, format!("{} and {}", bits.len(), acted.len())));
    }
    // What does not fit is no permutation either.
    let narrow =
        |map: &[usize]| map.iter().map(|&i| u32::try_from(i).unwrap_or(u32::MAX)).collect();
    let all = bits.iter().enumerate().map(|(i, map)| {
        let action = acted.get(i).map_or_else(|| (0..actions as u32).collect(), |map| narrow(map));
        Twist { observation: narrow(map), action }
    });
    let mut twists: Vec<Twist> = all.collect();
    permute_equal_actions(&mut twists);
    for twist in &twists {
        let checked = twist.check(size, actions);
        checked
            .map_err(|error| Error::contract(NAME, "twists() consists of permutations", error))?;
    }
    twists.retain(|twist| !twist.is_identity());
    Ok(twists)
}

impl EnvSpec for PrototypeSpec {
    fn name(&self) -> &str {
        NAME
    }

    fn params(&self) -> Value {
        self.params.clone()
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: self.shape.clone() }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(self.actions)
    }

    fn twists(&self) -> Vec<Twist> {
        self.twists.clone()
    }

    fn difficulty(&self) -> usize {
        self.env.get_difficulty()
    }

    fn starts(&self) -> StartKinds {
        StartKinds { curriculum: self.curriculum, uniform: false }
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn tells_states(&self) -> bool {
        false
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        let size = self.observation_space().size().unwrap_or(0);
        Box::new(CopiesBatch::new(self.env.clone(), len, size))
    }
}
