//! Selection against numbers worked out from the papers' equations.

use crate::env::Step;
use crate::search::tree::gumbel::{Gumbel, ScheduledSimulation, schedule_simulations};
use crate::search::tree::puct::{Dirichlet, Puct};
use crate::search::tree::{Leaf, NONE, Tree};

/// A root with these priors and this value, evaluated and visited once.
fn root(priors: &[f32], value: f32) -> Tree {
    let mut tree = Tree::new(1000, priors.len());
    let logits: Vec<f32> = priors.iter().map(|p| p.ln()).collect();
    tree.set_evaluation(0, &logits, value);
    tree.back_up(0, 1.0, 0);
    tree
}

/// Visits `action` from the root `visits` times; it terminates with `reward`.
fn visit(tree: &mut Tree, action: usize, visits: usize, reward: f32) {
    for _ in 0..visits {
        let child = match tree.edges(tree.root)[action].child {
            NONE => tree.add(tree.root, action).unwrap(),
            child => child,
        };
        tree.set_step(child, Step { reward, terminated: true, truncated: false });
        tree.back_up(child, 1.0, 0);
    }
}

fn puct(exploration: f32, first_play_reduction: f32) -> Puct {
    let noise = Dirichlet { share: 0.25, concentration: 10.0 };
    Puct { exploration, first_play_reduction, noise, forced: 0.0 }
}

/// Makes one simulation, in which every action terminates with its reward.
fn simulate(tree: &mut Tree, puct: &Puct, rewards: &[f32]) {
    match tree.simulate(tree.root, |tree, node| puct.choose(tree, node)) {
        Leaf::New { action, .. } => visit(tree, action, 1, rewards[action]),
        Leaf::Ended(node) => tree.back_up(node, 1.0, 0),
        Leaf::Pending => {}
    }
}

#[test]
fn puct_visits_two_arms_as_computed_by_hand() {
    // Priors 1/2, c = 1, arm 0 pays 0 and arm 1 pays 1, the root counts its own evaluation. First come 0 (a tie) and 1.
    // With n visits of arm 1 and N = n + 2 of the root, arm 0 is next as soon as sqrt(N) / 4 > 1 + sqrt(N) / (2 (n + 1)):
    // at N = 19 it is 1.0897 < 1.1211, at N = 20 it is 1.11803 > 1.11769. So simulation 20 is its second.
    let (mut tree, puct) = (root(&[0.5, 0.5], 0.0), puct(1.0, 0.0));
    let expected = [(1, [1, 0]), (2, [1, 1]), (3, [1, 2]), (19, [1, 18]), (20, [2, 18])];
    let mut done = 0;
    for (simulations, visits) in expected {
        while done < simulations {
            simulate(&mut tree, &puct, &[0.0, 1.0]);
            done += 1;
        }
        let found: Vec<_> = tree.edges(0).iter().map(|edge| edge.visits).collect();
        assert_eq!(found, visits, "after {simulations}");
    }
    assert_eq!(tree.node(0).visits, 21);
    assert_eq!(tree.node(0).mean(), 18.0 / 21.0);
}

#[test]
fn puct_is_value_plus_exploration() {
    // Rewards 2, 6 and 4 are 0, 1 and 0.5 between the lowest and the highest. N = 1 + 3 + 1 + 2 = 7, c = 2:
    // 0   + 2 * 0.6 * sqrt(7) / 4 = 0.79373
    // 1   + 2 * 0.1 * sqrt(7) / 2 = 1.26458
    // 0.5 + 2 * 0.2 * sqrt(7) / 3 = 0.85277
    // never tried: (0 + 6 + 6 + 8) / 7 = 2.857 is 0.21429, less 0.3 * sqrt(0.9): -0.07032, + 2 * 0.1 * sqrt(7) = 0.45883
    let fill = |last: f32| {
        let mut tree = root(&[0.6, 0.1, 0.2, 0.1], 0.0);
        visit(&mut tree, 0, 3, 2.0);
        visit(&mut tree, 1, 1, 6.0);
        visit(&mut tree, 2, 2, last);
        tree
    };
    assert_eq!(puct(2.0, 0.3).choose(&fill(4.0), 0), Some(1));
    // As soon as the second leaves the first place, by a simulation under way (0.5 + 1: 1 + 0.2 sqrt(8) / 3 = 1.18856), it
    // is still first; with c = 20 the first is: 0 + 12 sqrt(7) / 4 = 7.94 against 1 + 2 sqrt(7) / 2 = 3.65.
    assert_eq!(puct(20.0, 0.3).choose(&fill(4.0), 0), Some(0));
    // Without reduction, c = 20 and 3 visits of the third, the last has 0.21 + 2 sqrt(7) = 5.5, the first 7.94.
    let mut tree = fill(4.0);
    tree.add_in_flight(tree.edges(0)[0].child, NONE);
    tree.add_in_flight(tree.edges(0)[0].child, NONE);
    // Two simulations under way to the first: 12 * 3 / 6 = 6 against 0.21 + 2 * 3 = 6.21 of the last.
    assert_eq!(puct(20.0, 0.0).choose(&tree, 0), Some(3));
}

#[test]
fn forced_visits_are_made_and_do_not_count_in_the_policy() {
    // Noisy priors 0.7, 0.2, 0.1, k = 2, c = 1: of N = 81 visits, the second is owed sqrt(2 * 0.2 * 81) = 5.7 and the third
    // sqrt(2 * 0.1 * 81) = 4.02. The first pays 1, the others 0 and 0.75.
    let forced = Puct { forced: 2.0, ..puct(1.0, 0.0) };
    let mut tree = root(&[0.7, 0.2, 0.1], 0.0);
    tree.root_noise.extend([0.7, 0.2, 0.1]);
    visit(&mut tree, 0, 71, 1.0);
    visit(&mut tree, 1, 5, 0.0);
    visit(&mut tree, 2, 4, 0.75);
    assert_eq!(tree.node(0).visits, 81);
    assert_eq!(puct(1.0, 0.0).choose(&tree, 0), Some(0));
    assert_eq!(forced.choose(&tree, 0), Some(1), "5 visits of 5.7");
    visit(&mut tree, 1, 1, 0.0);
    // N = 82: 5.73 and 4.05 are owed, and the third has 4.
    assert_eq!(forced.choose(&tree, 0), Some(2));
    visit(&mut tree, 2, 1, 0.75);
    assert_eq!(forced.choose(&tree, 0), Some(0), "nothing is owed");
    // N = 83, scale sqrt(83) = 9.11. The first scores 1 + 9.11 * 0.7 / 72 = 1.0886. The second, without the 5.76 that are
    // forced, keeps none: 0.24 is less than one, and 9.11 * 0.2 / 1.0886 - 1 = 0.67 are earned, so one, which goes. The
    // third has 5 - 4.07, none in whole, but earned 9.11 * 0.1 / 0.3386 - 1 = 1.69, so two.
    let mut policy = Vec::new();
    forced.visited_policy(&tree, &mut policy);
    assert_eq!(policy, [71.0 / 73.0, 0.0, 2.0 / 73.0]);
    // Without noise nothing is forced, nor taken.
    tree.root_noise.clear();
    forced.visited_policy(&tree, &mut policy);
    assert_eq!(policy, [71.0 / 82.0, 6.0 / 82.0, 5.0 / 82.0]);
}

#[test]
fn visits_do_not_depend_on_the_scale_of_rewards() {
    let visits = |scale: f32, offset: f32| {
        let (mut tree, puct) = (root(&[0.4, 0.3, 0.3], offset), puct(1.25, 0.0));
        for _ in 0..200 {
            simulate(&mut tree, &puct, &[offset, offset + 0.5 * scale, offset + scale]);
        }
        tree.edges(0).iter().map(|edge| edge.visits).collect::<Vec<_>>()
    };
    assert_eq!(visits(1.0, 0.0), visits(1024.0, 0.0));
    assert_eq!(visits(1.0, 0.0), visits(1.0 / 1024.0, 0.0));
    assert_eq!(visits(1.0, 0.0), visits(1.0, -4.0));
}

/// `softmax(logits + (c_visit + max N) c_scale q)` with q completed and brought to [0, 1], in double precision.
fn improved(priors: [f64; 3], q: [f64; 3], most: f64) -> [f64; 3] {
    let weights: Vec<f64> =
        priors.iter().zip(q).map(|(p, q)| p * ((50.0 + most) * 0.1 * q).exp()).collect();
    let sum: f64 = weights.iter().sum();
    [weights[0] / sum, weights[1] / sum, weights[2] / sum]
}

#[test]
fn gumbel_completes_values_and_improves_the_policy() {
    // Raw value 0.4; action 0 visited 3 times at 1, action 1 once at 0, action 2 never. Equation 33 gives it
    // (0.4 + 4 * (0.5 * 1 + 0.2 * 0) / (0.5 + 0.2)) / (1 + 4) = 0.651429. The range is [0, 1] already.
    let mut tree = root(&[0.5, 0.2, 0.3], 0.4);
    visit(&mut tree, 0, 3, 1.0);
    visit(&mut tree, 1, 1, 0.0);
    let expected = improved([0.5, 0.2, 0.3], [1.0, 0.0, (0.4 + 4.0 * 0.5 / 0.7) / 5.0], 3.0);
    let (gumbel, mut policy) = (Gumbel::default(), Vec::new());
    gumbel.improved_policy(&tree, 0, &mut policy);
    for (found, expected) in policy.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{policy:?} {expected:?}");
    }
    // Equation 14: the largest of pi' - N / (1 + sum N). Here 0.912 - 3/5, 0.002 - 1/5 and 0.086 - 0.
    assert!((expected[0] - 0.9119).abs() < 1e-3 && (expected[2] - 0.0863).abs() < 1e-3);
    assert_eq!(gumbel.choose(&tree, 0), Some(0));
    // With 4 more visits 0.911 - 7/9 against 0.088; with 20 more under way 0.911 - 27/29.
    visit(&mut tree, 0, 4, 1.0);
    assert_eq!(gumbel.choose(&tree, 0), Some(0));
    let child = tree.edges(0)[0].child;
    (0..20).for_each(|_| tree.add_in_flight(child, NONE));
    assert_eq!(gumbel.choose(&tree, 0), Some(2));
}

#[test]
fn gumbel_without_visits_is_the_policy_itself() {
    let (tree, mut policy) = (root(&[0.5, 0.2, 0.3], 7.0), Vec::new());
    Gumbel::default().improved_policy(&tree, 0, &mut policy);
    for (p, q) in policy.iter().zip([0.5, 0.2, 0.3]) {
        assert!((p - q).abs() < 1e-6);
    }
}

#[test]
fn the_root_takes_the_best_perturbed_action_of_equal_visits() {
    let mut tree = root(&[0.5, 0.2, 0.3], 0.0);
    // g + ln p: -0.693 + 0, -1.609 + 2 = 0.391, -1.204 + 1 = -0.204.
    tree.root_noise = vec![0.0, 2.0, 1.0];
    tree.root_before = vec![0; 3];
    let gumbel = Gumbel::default();
    assert_eq!(gumbel.choose_root(&tree, 0), Some(1));
    visit(&mut tree, 1, 1, 0.0);
    assert_eq!(gumbel.choose_root(&tree, 0), Some(2));
    assert_eq!(gumbel.choose_root(&tree, 1), Some(1));
    visit(&mut tree, 2, 1, 1.0);
    // Both visited once; sigma adds 51 * 0.1 * 1 to the last.
    assert_eq!(gumbel.choose_root(&tree, 1), Some(2));
    assert_eq!(gumbel.best_action(&tree), Some(2));
    assert_eq!(gumbel.choose_root(&tree, 5), None);
    // Visits that were there before the move do not count.
    tree.root_before = vec![0, 1, 1];
    assert_eq!(gumbel.choose_root(&tree, 0), Some(2));
}

#[test]
fn sequential_halving_follows_algorithm_1() {
    let visits = |considered, simulations| {
        let mut schedule = Vec::new();
        schedule_simulations(considered, simulations, &mut schedule);
        schedule.iter().map(|s: &ScheduledSimulation| s.considered_visits).collect::<Vec<_>>()
    };
    // 4 actions, 8 simulations, 2 phases: 8 / (2 * 4) = 1 visit of each, then 8 / (2 * 2) = 2 of the better two.
    assert_eq!(visits(4, 8), [0, 0, 0, 0, 1, 1, 2, 2]);
    // 3 actions, 10 simulations: 10 / (2 * 3) = 1 of each, then 10 / (2 * 2) = 2 of two, and so on.
    assert_eq!(visits(3, 10), [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]);
    // 16 actions, 32 simulations, 4 phases: one each of 16, 8 and 4, then two (32 / (4 * 4)).. of 4, then of 2.
    assert_eq!(visits(16, 32)[..24], [vec![0; 16], vec![1; 8]].concat());
    assert_eq!(visits(16, 32)[24..], [2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(visits(1, 3), [0, 1, 2]);
    assert_eq!(visits(2, 5), [0, 0, 1, 1, 2]);
    assert_eq!(visits(8, 4), [0; 4], "fewer simulations than actions");
    let mut schedule = Vec::new();
    schedule_simulations(4, 8, &mut schedule);
    let ends: Vec<_> = schedule.iter().map(|s| s.phase_end).collect();
    assert_eq!(ends, [4, 4, 4, 4, 6, 6, 8, 8]);
}

#[test]
fn a_new_root_keeps_what_is_below_and_frees_the_rest() {
    let mut tree = root(&[0.5, 0.5], 0.0);
    let logits = [0.5f32.ln(); 2];
    let mut nodes = vec![0];
    for (parent, action) in [(0, 0), (0, 1), (1, 0), (1, 1), (3, 1)] {
        let child = tree.add(nodes[parent], action).unwrap();
        tree.set_step(child, Step { reward: 1.0, ..Step::default() });
        tree.set_evaluation(child, &logits, 0.5);
        tree.back_up(child, 1.0, 0);
        nodes.push(child);
    }
    let room = tree.free_nodes();
    let (visits, q) = (tree.edges(nodes[1])[0].visits, tree.edges(nodes[1])[0].q());
    tree.re_root(nodes[1]);
    // Nodes 1, 3, 4 and 5 stay; the old root and node 2 are free.
    assert_eq!(tree.free_nodes(), room + 2);
    assert_eq!((tree.edges(tree.root)[0].visits, tree.edges(tree.root)[0].q()), (visits, q));
    assert_eq!(tree.node(tree.root).parent, NONE);
    assert_eq!(tree.path_up(nodes[5]).collect::<Vec<_>>(), [(1, 1.0), (0, 1.0)]);
    for _ in 0..tree.free_nodes() {
        let action = 0;
        let parent = tree.root;
        assert!(!nodes[3..].contains(&tree.add(parent, action).unwrap()));
    }
    assert_eq!(tree.add(tree.root, 0), None, "full");
}
