//! Floating-point numbers in the digits Java 17 prints (`Float.toString`, `Double.toString`).
//!
//! The digits read back as the same number, but are not always the fewest: a large whole `float`
//! such as 123456792 keeps digits that the shortest form (1.2345679E8) drops. A reader that takes
//! a JSON number as a double sees the difference, so `float` columns need Java's own digits; the
//! recordings this project is held to were made on Java 17 (Java 19 prints the shortest form).
//!
//! # Why
//! This follows the steps of `jdk.internal.math.FloatingDecimal`, whose three widths of arithmetic
//! (32 bits, 64 bits, any) compare differently at the edges, so they are kept apart here too. Of
//! its names: the number is `b/s`, half the distance to its neighbour is `m/s`.

use num_bigint::BigUint;

/// Where the highest bit of the fraction stands.
const FRACTION_TOP: i32 = 52;
/// Numbers whose binary exponent lies in this range may take the path of whole numbers.
const SMALL_EXPONENTS: std::ops::RangeInclusive<i32> = -21..=62;
/// Powers of five up to here fit 64 bits.
const FIVE_POWER_MAX: i32 = 26;

/// Digits and the position of the decimal point: the number is `0.DIGITS * 10^point`.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

/// `Float.toString`, appended to `out`.
pub(super) fn write_f32(value: f32, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.extend_from_slice(not_finite(f64::from(value)).as_bytes());
        return;
    }
    let bits = value.to_bits();
    let fraction = u64::from(bits & 0x7F_FFFF);
    let exponent = i32::from(u8::try_from((bits >> 23) & 0xFF).unwrap_or(0));
    write(
        value.is_sign_negative(),
        fraction << 29,
        exponent,
        127,
        24,
        out,
    );
}

/// `Double.toString`, appended to `out`.
pub(super) fn write_f64(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.extend_from_slice(not_finite(value).as_bytes());
        return;
    }
    let bits = value.to_bits();
    let fraction = bits & 0x000F_FFFF_FFFF_FFFF;
    let exponent = i32::from(u16::try_from((bits >> 52) & 0x7FF).unwrap_or(0));
    write(value.is_sign_negative(), fraction, exponent, 1023, 53, out);
}

/// Java's word for what is not a finite number.
pub(super) fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value.is_sign_negative() {
        "-Infinity"
    } else {
        "Infinity"
    }
}

/// `fraction` has its top bit below [`FRACTION_TOP`], `exponent` is biased.
fn write(
    negative: bool,
    fraction: u64,
    exponent: i32,
    bias: i32,
    precision: i32,
    out: &mut Vec<u8>,
) {
    if negative {
        out.push(b'-');
    }
    if exponent == 0 && fraction == 0 {
        out.extend_from_slice(b"0.0");
        return;
    }
    let hidden = 1_u64 << FRACTION_TOP;
    let digits = if exponent == 0 {
        let shift = count(fraction.leading_zeros()) - (63 - FRACTION_TOP);
        digits(1 - shift - bias, fraction << shift, precision - shift)
    } else {
        digits(exponent - bias, fraction | hidden, precision)
    };
    digits.write(out);
}

/// The digits of `fraction * 2^(exponent - FRACTION_TOP)`.
fn digits(exponent: i32, fraction: u64, precision: i32) -> Digits {
    let trailing = count(fraction.trailing_zeros());
    let fraction_bits = FRACTION_TOP + 1 - trailing;
    let tiny_bits = (fraction_bits - exponent - 1).max(0);
    if SMALL_EXPONENTS.contains(&exponent) && tiny_bits == 0 && fraction_bits < 64 {
        return whole(exponent, fraction, precision);
    }
    let point = estimate(fraction, exponent);
    let five_of_b = (-point).max(0);
    let five_of_s = point.max(0);
    let mut scale = Scale {
        b_five: five_of_b,
        b_two: five_of_b + tiny_bits + exponent,
        s_five: five_of_s,
        s_two: five_of_s + tiny_bits,
        m_two: five_of_b + tiny_bits + exponent - precision,
        fraction: fraction >> trailing,
    };
    scale.b_two -= fraction_bits - 1;
    let common = scale.b_two.min(scale.s_two);
    scale.b_two -= common;
    scale.s_two -= common;
    // A power of two is nearer to its lower neighbour.
    scale.m_two -= common + i32::from(fraction_bits == 1);
    if scale.m_two < 0 {
        scale.b_two -= scale.m_two;
        scale.s_two -= scale.m_two;
        scale.m_two = 0;
    }
    let b_bits = fraction_bits + scale.b_two + five_bits(scale.b_five);
    let tens_bits = scale.s_two + 1 + five_bits(scale.s_five + 1);
    if b_bits < 64 && tens_bits < 64 {
        let is_int = b_bits < 32 && tens_bits < 32;
        generate(Machine::new(&scale, is_int), point)
    } else {
        generate(Big::new(&scale), point)
    }
}

/// Whole numbers: exact digits, but for those that the precision does not reach.
fn whole(exponent: i32, fraction: u64, precision: i32) -> Digits {
    let mut number = if exponent >= FRACTION_TOP {
        fraction << (exponent - FRACTION_TOP)
    } else {
        fraction >> (FRACTION_TOP - exponent)
    };
    let mut dropped = 0;
    let spare = exponent - precision - 1;
    if exponent > precision && spare > 1 {
        // Decimal digits of 2^spare, less one.
        dropped = (1_u64 << spare).ilog10();
        let unit = 10_u64.pow(dropped);
        number = number / unit + u64::from(dropped > 0 && number % unit >= unit / 2);
    }
    let mut point = count(dropped);
    while number % 10 == 0 && number > 0 {
        number /= 10;
        point += 1;
    }
    let digits = number.to_string().into_bytes();
    let length = i32::try_from(digits.len()).unwrap_or(0);
    Digits {
        digits,
        point: point + length,
    }
}

/// The exponent of ten of the first digit, or one more.
#[expect(
    clippy::approx_constant,
    reason = "Java's constant, one digit short of the logarithm"
)]
fn estimate(fraction: u64, exponent: i32) -> i32 {
    let mantissa = f64::from_bits(0x3FF0_0000_0000_0000 | (fraction & 0x000F_FFFF_FFFF_FFFF));
    let power = (mantissa - 1.5) * 0.289_529_654
        + 0.176_091_259
        + f64::from(exponent) * 0.301_029_995_663_981;
    // Between -400 and 400.
    power.floor() as i32
}

/// Powers of two and five in `b`, `s` and `m`; those of five in `m` are those in `b`.
struct Scale {
    b_five: i32,
    b_two: i32,
    s_five: i32,
    s_two: i32,
    m_two: i32,
    fraction: u64,
}

/// The arithmetic of one width. `step` gives the next digit, and after it whether the digits so
/// far are near enough below and above the number.
trait Arithmetic {
    fn step(&mut self, is_first: bool) -> u8;
    fn is_low(&self) -> bool;
    fn is_high(&self) -> bool;
    /// What is left compared with half a unit of the last digit.
    fn rest(&self) -> std::cmp::Ordering;
}

fn generate(mut number: impl Arithmetic, mut point: i32) -> Digits {
    let mut digits = Vec::with_capacity(20);
    let first = number.step(true);
    let (mut low, mut high) = (number.is_low(), number.is_high());
    if first == 0 && !high {
        point -= 1;
    } else {
        digits.push(first);
    }
    if !(-3..8).contains(&point) {
        // Two digits at least where an exponent is printed.
        (low, high) = (false, false);
    }
    while !low && !high {
        digits.push(number.step(false));
        (low, high) = (number.is_low(), number.is_high());
    }
    let is_odd = digits.last().is_some_and(|digit| digit & 1 == 1);
    let round_up = high
        && match number.rest() {
            _ if !low => true,
            std::cmp::Ordering::Equal => is_odd,
            rest => rest.is_gt(),
        };
    let mut digits = Digits {
        digits,
        point: point + 1,
    };
    if round_up {
        digits.round_up();
    }
    digits.digits.iter_mut().for_each(|digit| *digit += b'0');
    digits
}

/// 32 or 64 bits with Java's wrap-around.
struct Machine {
    b: i64,
    s: i64,
    m: i64,
    tens: i64,
    is_int: bool,
    overflowed: bool,
}

impl Machine {
    fn new(scale: &Scale, is_int: bool) -> Machine {
        let five = |power: i32| 5_i64.wrapping_pow(power.unsigned_abs());
        let fraction = scale.fraction.cast_signed();
        let s = five(scale.s_five) << scale.s_two;
        Machine {
            b: fraction.wrapping_mul(five(scale.b_five)) << scale.b_two,
            s,
            m: five(scale.b_five) << scale.m_two,
            tens: s.wrapping_mul(10),
            is_int,
            overflowed: false,
        }
        .wrapped()
    }

    fn wrapped(mut self) -> Machine {
        for value in [&mut self.b, &mut self.s, &mut self.m, &mut self.tens] {
            *value = wrap(*value, self.is_int);
        }
        self
    }
}

fn wrap(value: i64, is_int: bool) -> i64 {
    if is_int { (value << 32) >> 32 } else { value }
}

impl Arithmetic for Machine {
    fn step(&mut self, is_first: bool) -> u8 {
        let digit = self.b / self.s;
        self.b = wrap((self.b % self.s).wrapping_mul(10), self.is_int);
        self.m = wrap(self.m.wrapping_mul(10), self.is_int);
        self.overflowed = !is_first && self.m <= 0;
        u8::try_from(digit).unwrap_or(9)
    }

    fn is_low(&self) -> bool {
        self.overflowed || self.b < self.m
    }

    fn is_high(&self) -> bool {
        self.overflowed || wrap(self.b.wrapping_add(self.m), self.is_int) > self.tens
    }

    fn rest(&self) -> std::cmp::Ordering {
        let rest = (self.b << 1).wrapping_sub(self.tens);
        wrap(rest, self.is_int).cmp(&0)
    }
}

/// Any width.
struct Big {
    b: BigUint,
    s: BigUint,
    m: BigUint,
    tens: BigUint,
}

impl Big {
    fn new(scale: &Scale) -> Big {
        let power = |five: i32, two: i32| BigUint::from(5_u32).pow(five.unsigned_abs()) << two;
        let s = power(scale.s_five, scale.s_two);
        Big {
            b: power(scale.b_five, scale.b_two) * scale.fraction,
            tens: &s * 10_u32,
            s,
            m: power(scale.b_five, scale.m_two),
        }
    }
}

impl Arithmetic for Big {
    fn step(&mut self, _is_first: bool) -> u8 {
        let digit = &self.b / &self.s;
        self.b = (&self.b % &self.s) * 10_u32;
        self.m *= 10_u32;
        u8::try_from(digit).unwrap_or(9)
    }

    fn is_low(&self) -> bool {
        self.b < self.m
    }

    fn is_high(&self) -> bool {
        self.tens <= &self.b + &self.m
    }

    fn rest(&self) -> std::cmp::Ordering {
        (&self.b << 1_u32).cmp(&self.tens)
    }
}

/// Bits of a power of five, generously beyond 64.
fn five_bits(power: i32) -> i32 {
    if power > FIVE_POWER_MAX {
        return power * 3;
    }
    if power == 0 {
        return 0;
    }
    count(5_u64.pow(power.unsigned_abs()).ilog2()) + 1
}

fn count(bits: u32) -> i32 {
    i32::try_from(bits).unwrap_or(i32::MAX)
}

impl Digits {
    fn round_up(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        if let Some(first) = self.digits.first_mut() {
            *first = 1;
        }
        self.point += 1;
    }

    /// Plain from 1e-3 to below 1e7, else with an exponent; a digit on each side of the point.
    fn write(&self, out: &mut Vec<u8>) {
        let digits = self.digits.as_slice();
        match (self.point, usize::try_from(self.point)) {
            (1..8, Ok(whole)) => {
                let (before, after) = digits.split_at(whole.min(digits.len()));
                out.extend_from_slice(before);
                out.extend(std::iter::repeat_n(b'0', whole - before.len()));
                out.push(b'.');
                out.extend_from_slice(if after.is_empty() { b"0" } else { after });
            }
            (-2..=0, _) => {
                out.extend_from_slice(b"0.");
                let zeros = usize::try_from(-self.point).unwrap_or(0);
                out.extend(std::iter::repeat_n(b'0', zeros));
                out.extend_from_slice(digits);
            }
            _ => {
                let (first, rest) = digits.split_at(1.min(digits.len()));
                out.extend_from_slice(first);
                out.push(b'.');
                out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
                out.push(b'E');
                out.extend_from_slice(itoa::Buffer::new().format(self.point - 1).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f32_text(value: f32) -> String {
        let mut out = Vec::new();
        write_f32(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn f64_text(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Printed by OpenJDK 17.0.15, of which 3.2 million random numbers were compared once.
    #[test]
    fn floats_are_those_of_java_17() {
        for (bits, wanted) in [
            (0x3DCC_CCCD, "0.1"),
            (0x0080_0000, "1.17549435E-38"),
            (0x7F7F_FFFF, "3.4028235E38"),
            (0x0000_0001, "1.4E-45"),
            (0x4CEB_79A3, "1.23456792E8"),
            (0x4B18_967F, "9999999.0"),
            (0x4B18_9680, "1.0E7"),
            (0x5011_4E00, "9.7512325E9"),
            (268_435_456, "2.5243549E-29"),
            (285_212_672, "1.00974196E-28"),
            (1_429_008_869, "1.18846831E13"),
            (1_546_424_057, "1.94283584E17"),
        ] {
            assert_eq!(f32_text(f32::from_bits(bits)), wanted, "{bits:#x}");
        }
        assert_eq!(f32_text(-0.0), "-0.0");
    }

    #[test]
    fn doubles_are_those_of_java_17() {
        for (value, wanted) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (123.456, "123.456"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1.5e300, "-1.5E300"),
            (2e23, "1.9999999999999998E23"),
            (2.225_073_858_507_201_4e-308, "2.2250738585072014E-308"),
            (f64::MAX, "1.7976931348623157E308"),
        ] {
            assert_eq!(f64_text(value), wanted);
        }
    }

    proptest! {
        #[test]
        fn texts_read_back(single: f32, double: f64) {
            prop_assume!(single.is_finite() && double.is_finite());
            prop_assert_eq!(f32_text(single).parse::<f32>().unwrap().to_bits(), single.to_bits());
            prop_assert_eq!(f64_text(double).parse::<f64>().unwrap().to_bits(), double.to_bits());
        }
    }
}
