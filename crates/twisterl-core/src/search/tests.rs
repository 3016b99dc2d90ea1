#![allow(clippy::unwrap_used)]

use super::*;
use crate::space::{ActionComponent, ActionSpace};

#[test]
fn only_one_discrete_choice_can_be_searched() {
    let pair = [2, 3].map(|n| ActionComponent::Discrete { n }).to_vec();
    let error = judge::action_count(&ActionSpace::new(pair).unwrap()).unwrap_err().to_string();
    assert!(error.contains("one discrete component, which mcts, gumbel and beam"), "{error}");
    assert_eq!(judge::action_count(&ActionSpace::discrete(7)), Ok(7));
}
