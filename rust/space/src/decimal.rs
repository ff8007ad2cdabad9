//! Exact decimal numbers, as they are written: 0.1 is one tenth, which binary64 cannot represent.

/// `mantissa` x 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    /// Reads the literal of a JSON number. `None` if its digits exceed 2^127, or its exponent 2^31.
    pub fn parse(literal: &str) -> Option<Self> {
        let (digits, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { mantissa, exponent })
    }

    /// The number in units of 10^`exponent`. `None` if that is not an integer below 2^127.
    fn in_steps_of(self, exponent: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let shift = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.mantissa.checked_mul(10_i128.checked_pow(shift)?)
    }
}

/// Several decimals as integers in units of 10^exponent. Returns the exponent second.
pub(crate) fn aligned<const N: usize>(decimals: [Decimal; N]) -> Option<([i128; N], i32)> {
    let exponents = decimals.iter().filter(|decimal| decimal.mantissa != 0).map(|decimal| decimal.exponent);
    let exponent = exponents.min().unwrap_or(0);
    let mut integers = [0; N];
    for (integer, decimal) in integers.iter_mut().zip(decimals) {
        *integer = decimal.in_steps_of(exponent)?;
    }
    Some((integers, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(mantissa: i128, exponent: i32) -> Decimal {
        Decimal { mantissa, exponent }
    }

    #[test]
    fn literals_are_read_exactly() {
        assert_eq!(Decimal::parse("0.1"), Some(decimal(1, -1)));
        assert_eq!(Decimal::parse("-12.50"), Some(decimal(-125, -1)));
        assert_eq!(Decimal::parse("1E+3"), Some(decimal(1, 3)));
        assert_eq!(Decimal::parse("1.25e-7"), Some(decimal(125, -9)));
        assert_eq!(Decimal::parse("-0.5"), Some(decimal(-5, -1)));
        assert_eq!(Decimal::parse(&i128::MAX.to_string()), Some(decimal(i128::MAX, 0)));
        assert_eq!(Decimal::parse(&format!("{}0", i128::MAX)), None);
        assert_eq!(Decimal::parse("1e99999999999"), None);
        assert_eq!(Decimal::parse("1.5e-2147483648"), None);
    }

    #[test]
    fn decimals_are_aligned_or_refused() {
        let align = |one, other| aligned([Decimal::parse(one).unwrap(), Decimal::parse(other).unwrap()]);
        assert_eq!(align("1", "0.25"), Some(([100, 25], -2)));
        assert_eq!(align("0", "1e300"), Some(([0, 1], 300)));
        assert_eq!(align("0.0", "-0"), Some(([0, 0], 0)));
        assert_eq!(align("1e300", "1"), None);
        assert_eq!(align("1e-2147483648", "1e2147483647"), None);
    }
}
