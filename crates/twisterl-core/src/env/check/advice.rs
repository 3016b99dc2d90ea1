//! The usual causes of broken rules, and how to mend them.

use super::rule;

/// Returns what usually mends a broken rule.
pub(super) fn of(rule: &str) -> Option<&'static str> {
    Some(match rule {
        rule::SPACES => "give each part of the spaces a size of at least 1",
        rule::DIFFICULTY => "`difficulty` returns what `set_difficulty` kept",
        rule::SAME => {
            "`reset` begins anew with everything, draws from its generator only, and `step` draws from none"
        }
        rule::CLONES => {
            "a clone owns its fields: no `Arc<Mutex<_>>`, no `Rc<RefCell<_>>`, no statics"
        }
        rule::OBSERVATIONS => "`observe` writes what `observation_space` declares",
        rule::MASKS => "`action_mask` leaves at least one action, in solved and lost states, too",
        rule::REWARDS => "look for divisions by zero in `step`",
        rule::ENDS => "`truncated` is for episodes that are not terminated",
        rule::SOLVED => "`step` returns `terminated` where `solved` returns true",
        rule::BOUND => "count the steps, and return `truncated` when the budget is used up",
        rule::BUDGET => "`terminated` does not depend on the number of steps left",
        rule::STATES => {
            "`state` lists all that `step`, `observe` and `action_mask` depend on, except the steps left, and \
             `set_state` sets it"
        }
        rule::WRONG => {
            "`set_state` returns an error for a wrong length, for numbers out of range and for NaN"
        }
        rule::UNCHANGED => "check the whole state first, then change the fields",
        rule::INVERSES => "return `None` from `inverse` if there is no such action",
        _ => return None,
    })
}
