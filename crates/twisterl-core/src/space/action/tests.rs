#![allow(clippy::unwrap_used)]
use super::*;

fn mixed() -> ActionSpace {
    ActionSpace::new(vec![
        ActionComponent::Discrete { n: 3 },
        ActionComponent::Continuous { low: vec![-1.0, 0.0], high: vec![1.0, 2.0], shape: vec![2] },
        ActionComponent::Discrete { n: 2 },
    ])
    .unwrap()
}

#[test]
fn mixed_actions_are_rows_of_both_arrays() {
    let space = mixed();
    assert_eq!((space.discrete_width(), space.continuous_width(), space.mask_width()), (2, 2, 5));
    assert_eq!(space.single_discrete(), None);
    let mut actions = Actions::new(&space);
    actions.discrete.extend([2, 1, 0, 0]);
    actions.continuous.extend([0.5, 1.5, -1.0, 0.0]);
    for i in 0..2 {
        space.check(actions.row(i)).unwrap();
    }
    assert_eq!(actions.row(0).index(), 2);
}

#[test]
fn actions_outside_of_the_space_are_refused() {
    let space = mixed();
    let bad = |discrete: &[u32], continuous: &[f32]| {
        space.check(Action::Parts { discrete, continuous }).unwrap_err().to_string()
    };
    assert_eq!(bad(&[3, 0], &[0.0, 0.0]), "action: expected 0 to 2, found 3");
    assert_eq!(bad(&[0, 0], &[0.0, f32::NAN]), "action: expected 0 to 2, found NaN");
    assert!(bad(&[0], &[0.0, 0.0]).contains("2 discrete"));
    assert!(ActionSpace::discrete(4).check(4.into()).is_err());
    assert!(ActionSpace::new(vec![]).is_err());
    assert!(ActionSpace::new(vec![ActionComponent::Discrete { n: 0 }]).is_err());
}

#[test]
fn bits_are_two_choices_each() {
    let bits = ActionSpace::new(vec![ActionComponent::Binary { n: 2 }]).unwrap();
    let space = bits.and(ActionSpace::discrete(3));
    assert_eq!(space.choices().collect::<Vec<_>>(), [2, 2, 3]);
    assert_eq!((space.discrete_width(), space.mask_width()), (3, 7));
    let check = |discrete: &[u32]| space.check(Action::Parts { discrete, continuous: &[] });
    check(&[1, 0, 2]).unwrap();
    assert!(check(&[2, 0, 2]).is_err());
    assert!(ActionSpace::new(vec![ActionComponent::Binary { n: 0 }]).is_err());
}

#[test]
fn infinite_bounds_survive_json() {
    let bounds = [(f32::NEG_INFINITY, 0.1), (-1.5, f32::INFINITY)];
    let space = ActionSpace::continuous(&bounds);
    let text = serde_json::to_string(&space).unwrap();
    assert!(text.contains(r#""low":["-inf",-1.5]"#), "{text}");
    assert_eq!(serde_json::from_str::<ActionSpace>(&text).unwrap(), space);
    assert!(serde_json::from_str::<ActionSpace>(&text.replace("-inf", "-in")).is_err());
}
