//! The names of the rules, and how broken ones are usually mended.

pub(super) const SPACES: &str = "spaces have a size";
pub(super) const DIFFICULTY: &str = "a difficulty that was set is kept";
pub(super) const UNIFORM: &str = "reset_uniform that returns false does nothing";
pub(super) const SAME: &str = "the same start and actions give the same episode";
pub(super) const CLONES: &str = "clones share nothing";
pub(super) const SLOTS: &str = "environments of a batch share nothing";
pub(super) const OBSERVATIONS: &str = "observations fit their space";
pub(super) const MASKS: &str = "masks leave a choice";
pub(super) const REWARDS: &str = "rewards are finite";
pub(super) const ENDS: &str = "a step terminates or truncates, not both";
pub(super) const SOLVED: &str = "solved means terminated";
pub(super) const BOUND: &str = "episodes end";
pub(super) const BUDGET: &str = "an exhausted budget truncates and never terminates";
pub(super) const LIMIT: &str = "limit_budget changes nothing but the budget";
pub(super) const FINITE: &str = "states are finite numbers";
pub(super) const STATES: &str = "a state can be set again";
pub(super) const WRONG: &str = "wrong states are refused";
pub(super) const UNCHANGED: &str = "a refused state changes nothing";
pub(super) const ACTIONS: &str = "every action of the space can be taken";
pub(super) const OUTSIDE: &str = "an action outside of the space does no harm";
pub(super) const TWISTS: &str = "twists are permutations";
pub(super) const TWISTED: &str = "a twist has its twisted_state";
pub(super) const INVERSES: &str = "an inverse undoes its action";
pub(super) const STEPS_BACK: &str = "the action that a step back returns leads to the state before";
pub(super) const DIFFICULTY_0: &str = "where all actions have inverses, difficulty 0 is solved";
pub(super) const INVERSE_STATES: &str = "an inverse_state can be set";
pub(super) const INVERSE_SOLUTIONS: &str =
    "a solution of the inverse_state gives a solution of the state";
pub(super) const SYMMETRY: &str = "twists are symmetries";

/// Returns what usually mends a broken rule, in an environment that is held to the whole contract.
pub(super) fn advice(rule: &str) -> Option<&'static str> {
    Some(match rule {
        SPACES => "give each part of the spaces a size of at least 1",
        DIFFICULTY => "`difficulty` returns what `set_difficulty` kept",
        SAME => {
            "`reset` begins anew with everything, draws from its generator only, and `step` draws from none"
        }
        CLONES | SLOTS => {
            "a clone owns its fields: no `Arc<Mutex<_>>`, no `Rc<RefCell<_>>`, no statics"
        }
        OBSERVATIONS => "`observe` writes what `observation_space` declares",
        MASKS => "`action_mask` leaves at least one action, in solved and lost states, too",
        ACTIONS => {
            "where `action_mask` forbids an action, `step` takes it all the same, to no effect"
        }
        REWARDS => "look for divisions by zero in `step`",
        ENDS => "`truncated` is for episodes that are not terminated",
        SOLVED => "`step` returns `terminated` where `solved` returns true",
        BOUND => "count the steps, and return `truncated` when the budget is used up",
        BUDGET => "`terminated` does not depend on the number of steps left",
        STATES => {
            "`state` lists all that `step`, `observe` and `action_mask` depend on, except the steps left, and \
             `set_state` sets it"
        }
        WRONG => {
            "`set_state` returns an error for a wrong length, for numbers out of range and for NaN"
        }
        UNCHANGED => "check the whole state first, then change the fields",
        INVERSE_STATES => "return `None` from `inverse_state` if there is no inverse problem",
        INVERSE_SOLUTIONS => {
            "`invert_solution` returns the actions that solve the current state; by default the inverses in reverse order"
        }
        STEPS_BACK => "return `None` from `step_back`, and change nothing, where there is none",
        INVERSES => "return `None` from `inverse` if there is no such action",
        _ => return None,
    })
}

/// Returns what usually mends a broken rule, in an environment of another language.
pub(super) fn advice_for_played(rule: &str) -> Option<&'static str> {
    Some(match rule {
        SAME => {
            "`reset` begins anew with everything, and all randomness comes from the seed that it is given, or from the \
             global generators within `reset`"
        }
        CLONES | SLOTS => "keep what changes in the environment, not in its class or module",
        STATES => {
            "`get_state` lists all that `step`, `observe` and `masks` depend on, except the steps left, and `set_state` \
             sets it"
        }
        WRONG => {
            "`set_state` raises an error for a wrong length, for numbers out of range and for NaN"
        }
        UNCHANGED => "check the whole state first, then change the attributes",
        SYMMETRY => "give each observation bit and each action its image",
        _ => return None,
    })
}
