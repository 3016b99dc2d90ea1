//! Numbers for people: percentages, quantities and times in sensible units.

use twisterl_core::error::counts::grouped;

/// Returns a share as a percentage: `98.1 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Returns a quantity with three digits and a unit prefix: `999`, `1.50 k`, `39.4 M`.
pub fn quantity(number: f64) -> String {
    let magnitude = number.abs();
    // From here on, a number rounds to the next unit.
    let (factor, unit) = match magnitude {
        m if m >= 999.5e6 => (1e9, " G"),
        m if m >= 999.5e3 => (1e6, " M"),
        m if m >= 999.5 => (1e3, " k"),
        _ => (1.0, ""),
    };
    format!("{}{unit}", significant(number / factor))
}

/// Returns a time: `15.8 µs`, `3.20 ms`, `4.7 s`, `12 min 3 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s <= 0.0 => "0 s".into(),
        s if s < 0.999_5e-6 => format!("{} ns", significant(s * 1e9)),
        s if s < 0.999_5e-3 => format!("{} µs", significant(s * 1e6)),
        s if s < 0.999_5 => format!("{} ms", significant(s * 1e3)),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => {
            let whole = s.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
        s => {
            let minutes = (s / 60.0).round() as u64;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

/// Returns a mean return: with one digit behind the point, or two if it is small, such as `475.0` and `-0.35`.
pub fn mean_return(number: f64) -> String {
    match number.abs() {
        ..10.0 => format!("{number:.2}"),
        ..1e7 => format!("{number:.1}"),
        _ => format!("{number:.3e}"),
    }
}

/// Returns a number with three digits, or all of those before the point; whole numbers without a point, and zero as `0`.
pub fn significant(number: f64) -> String {
    let magnitude = number.abs();
    if number.fract() == 0.0 && magnitude < 1e15 {
        return grouped(format!("{number:.0}"));
    }
    match magnitude {
        m if m >= 99.95 => grouped(format!("{number:.0}")),
        m if m >= 9.995 => format!("{number:.1}"),
        m if m >= 0.999_5 => format!("{number:.2}"),
        m if m >= 1e-3 => {
            let decimals = 2 - m.log10().floor() as i32;
            format!("{number:.*}", decimals.max(0) as usize)
        }
        _ => format!("{number:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        for (text, expected) in [
            (percent(0.981), "98.1 %"),
            (percent(0.0), "0.0 %"),
            (percent(1.0), "100.0 %"),
            (quantity(0.0), "0"),
            (quantity(999.0), "999"),
            (quantity(999.7), "1.00 k"),
            (quantity(1500.0), "1.50 k"),
            (quantity(39_400_000.0), "39.4 M"),
            (quantity(7e9), "7 G"),
            (duration(0.0), "0 s"),
            (duration(1.578e-5), "15.8 µs"),
            (duration(0.0032), "3.20 ms"),
            (duration(4.71), "4.7 s"),
            (duration(59.97), "1 min 0 s"),
            (duration(723.4), "12 min 3 s"),
            (duration(7500.0), "2 h 5 min"),
            (significant(22.3571), "22.4"),
            (significant(-0.0512), "-0.0512"),
            (significant(0.125), "0.125"),
            (significant(3.2e-7), "3.20e-7"),
            (significant(1234.5), "1,234"),
            (significant(8758.0), "8,758"),
            (mean_return(475.0), "475.0"),
            (mean_return(-0.354), "-0.35"),
            (mean_return(3.2e9), "3.200e9"),
            (significant(f64::NAN), "NaN"),
        ] {
            assert_eq!(text, expected);
        }
    }
}
