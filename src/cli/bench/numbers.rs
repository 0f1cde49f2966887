//! Rates, ratios and medians.

use std::time::Duration;

/// A count as a number to divide. Exact up to 2^53, far beyond what is counted here.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// How many of `count` there were in a second.
pub(super) fn per_second(count: u64, time: Duration) -> f64 {
    ratio(float(count), time.as_secs_f64())
}

/// `amount` for each million of `count`.
pub(super) fn per_million(amount: f64, count: u64) -> f64 {
    ratio(amount * 1e6, float(count))
}

/// `left / right`; zero where there is nothing to divide by.
pub(super) fn ratio(left: f64, right: f64) -> f64 {
    if right > 0.0 { left / right } else { 0.0 }
}

/// The middle of `values`, the mean of the two in the middle where their number is even; `None`
/// where there are none.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

/// Rounded to `digits` behind the point, for JSON that people read.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn rates_of_no_time_are_zero_and_not_infinite() {
        assert!(per_second(10, Duration::ZERO).abs() < f64::EPSILON);
        assert!((per_second(10, Duration::from_secs(4)) - 2.5).abs() < f64::EPSILON);
        assert!((per_million(3.0, 2_000_000) - 1.5).abs() < f64::EPSILON);
        assert!((rounded(1.23456, 3) - 1.235).abs() < f64::EPSILON);
    }
}
