//! Schedules: values that change over a run.

use crate::config::Schedule;

/// Returns the value at `progress`, from 0 to 1, of a run in which it changes from `first` to `last`.
pub fn value(schedule: Schedule, first: f64, last: f64, progress: f64) -> f64 {
    let done = progress.clamp(0.0, 1.0);
    match schedule {
        Schedule::Constant => first,
        Schedule::Linear => first + (last - first) * done,
        Schedule::Exponential => first * (last / first).powf(done),
        Schedule::Cosine => {
            last + (first - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_meet_both_ends_and_the_middle() {
        for schedule in [Schedule::Linear, Schedule::Cosine] {
            assert_eq!(value(schedule, 2.0, 1.0, 0.0), 2.0);
            assert!((value(schedule, 2.0, 1.0, 0.5) - 1.5).abs() < 1e-12);
            assert_eq!(value(schedule, 2.0, 1.0, 1.0), 1.0);
        }
        assert!((value(Schedule::Exponential, 4.0, 1.0, 0.5) - 2.0).abs() < 1e-12);
        assert!((value(Schedule::Exponential, 4.0, 1.0, 1.0) - 1.0).abs() < 1e-12);
        assert_eq!(value(Schedule::Constant, 2.0, 1.0, 0.7), 2.0);
    }
}
