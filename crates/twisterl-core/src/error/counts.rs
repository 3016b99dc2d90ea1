//! Counts in words.

use std::fmt::Display;

/// Returns a whole number with its digits in groups of three, such as `1,000`. Other texts stay as they are.
pub fn grouped(number: impl Display) -> String {
    let text = number.to_string();
    let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    let mut grouped = sign.to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a count of things of which each is a `thing`, such as `1 episode` or `8,758 steps`.
pub fn counted(count: impl Display, thing: &str) -> String {
    let count = grouped(count);
    if count == "1" { format!("1 {thing}") } else { format!("{count} {}", plural(thing)) }
}

/// Returns a shape and the things that it is a shape of, such as `8 x 8 numbers` or `1 number`.
pub fn shaped(shape: &[usize], thing: &str) -> String {
    if shape.iter().all(|&size| size == 1) {
        return counted(1, thing);
    }
    let sizes: Vec<_> = shape.iter().map(grouped).collect();
    format!("{} {}", sizes.join(" x "), plural(thing))
}

/// Returns the plural of a noun with a regular one.
pub fn plural(thing: &str) -> String {
    match thing.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567", "-1,234,567"),
            ("-12", "-12"),
            ("NaN", "NaN"),
            ("1234.5", "1234.5"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn things_are_plural_unless_there_is_one() {
        for (count, thing, text) in [
            (0, "step", "0 steps"),
            (1, "step", "1 step"),
            (8758, "step", "8,758 steps"),
            (1, "symmetry", "1 symmetry"),
            (2, "symmetry", "2 symmetries"),
            (2, "key", "2 keys"),
            (3, "more state", "3 more states"),
        ] {
            assert_eq!(counted(count, thing), text);
        }
    }

    #[test]
    fn shapes_are_told_with_what_they_hold() {
        assert_eq!(shaped(&[3, 3, 9], "bit"), "3 x 3 x 9 bits");
        assert_eq!(shaped(&[1, 2], "number"), "1 x 2 numbers");
        assert_eq!(shaped(&[1, 1], "number"), "1 number");
        assert_eq!(shaped(&[0], "number"), "0 numbers");
        assert_eq!(shaped(&[], "number"), "1 number");
    }
}
