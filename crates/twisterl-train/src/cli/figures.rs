//! Figures of evaluations in people's words, for the commands that solve many problems.

use crate::system::terminal::numbers::{duration, mean_return, percent};
use serde_json::{Map, Value};
use twisterl_core::error::counts::grouped;

/// A figure of [`solving::figures`](crate::trainer::solving::figures) as people read it.
pub(super) struct Figure {
    /// Its name in results.
    pub(super) key: &'static str,
    /// Its title, and the explanation of its value.
    pub(super) words: [&'static str; 2],
    /// The same for environments without a measure of success.
    pub(super) words_of_returns: [&'static str; 2],
    /// Formats its value.
    format: fn(f64) -> String,
}

/// The figures in the order in which they are shown.
pub(super) const FIGURES: [Figure; 9] = [
    figure("success", ["success", ""], percent),
    figure("optimal_fraction", ["optimal", "solved in as few moves as possible"], percent),
    Figure {
        words_of_returns: ["steps", "mean"],
        ..figure("mean_length", ["moves", "mean of the solved"], two_digits)
    },
    figure("mean_optimal", ["fewest", "moves possible, mean of the solved"], two_digits),
    figure("mean_gap", ["gap", "moves above the fewest possible, mean of the solved"], two_digits),
    figure("mean_reward", ["return", "mean"], mean_return),
    figure("nodes_per_state", ["nodes", "per problem"], whole),
    figure("simulations_per_state", ["simulations", "per problem"], whole),
    figure("seconds_per_state", ["time", "per problem"], duration),
];

const fn figure(key: &'static str, words: [&'static str; 2], format: fn(f64) -> String) -> Figure {
    Figure { key, words, words_of_returns: words, format }
}

impl Figure {
    /// Returns the value in `results`, formatted, if there is one.
    pub(super) fn text(&self, results: &Map<String, Value>) -> Option<String> {
        results.get(self.key)?.as_f64().map(self.format)
    }
}

/// Formats a mean of numbers of moves with two digits behind the point, so that those of a column can be compared.
fn two_digits(number: f64) -> String {
    format!("{number:.2}")
}

/// Formats a mean without its fraction, in groups of three digits.
fn whole(number: f64) -> String {
    grouped(format!("{number:.0}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_have_the_units_of_people() {
        for (key, value, text) in [
            ("success", json!(0.981), Some("98.1 %")),
            ("success", json!(0.0), Some("0.0 %")),
            ("success", Value::Null, None),
            ("optimal_fraction", json!(1.0), Some("100.0 %")),
            ("seconds_per_state", json!(1.578e-5), Some("15.8 µs")),
            ("mean_length", json!(22.357_142), Some("22.36")),
            ("mean_reward", json!(475.0), Some("475.0")),
            ("nodes_per_state", json!(1234.6), Some("1,235")),
        ] {
            let figure = FIGURES.iter().find(|figure| figure.key == key).unwrap();
            let results = Map::from_iter([(key.to_owned(), value)]);
            assert_eq!(figure.text(&results).as_deref(), text, "{key}");
        }
    }
}
