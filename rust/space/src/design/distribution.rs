//! Distributions: turn a place in [0, 1) into a value, by inversion of the distribution function.

use crate::broken_rule::BrokenRule;
use crate::design::normal::Normal;
use crate::random::unit::{PLACES, Unit};
use crate::value::{Value, ValueRef};

/// A distribution of one dimension's values.
#[derive(Clone, Debug)]
pub struct Distribution(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// No value is above `most`: `high`, or the float below it.
    Uniform {
        low: f64,
        high: f64,
        most: f64,
    },
    LogUniform {
        low: f64,
        high: f64,
    },
    Normal(Normal),
    Triangular {
        low: f64,
        mode: f64,
        high: f64,
    },
    Integers {
        low: i64,
        high: i64,
    },
    WholeFloats {
        low: i64,
        high: i64,
    },
    Choice(Vec<Value>),
}

const LOW_BELOW_HIGH: BrokenRule = BrokenRule("low must be below high");

impl Distribution {
    /// Uniform in [low, high).
    ///
    /// # Errors
    /// Unless low < high.
    pub fn uniform(low: f64, high: f64) -> Result<Self, BrokenRule> {
        check_interval(low, high)?;
        Ok(Self(Kind::Uniform { low, high, most: high.next_down() }))
    }

    /// Log-uniform between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0 < low < high.
    pub fn log_uniform(low: f64, high: f64) -> Result<Self, BrokenRule> {
        check_interval(low, high)?;
        if low <= 0.0 {
            return Err(BrokenRule("low must be above 0"));
        }
        Ok(Self(Kind::LogUniform { low, high }))
    }

    /// Normal with this mean and standard deviation, truncated at `low` and `high` if they are given.
    ///
    /// # Errors
    /// Unless 0 < std, low < high, enough of the distribution lies between them, and all values are finite.
    pub fn normal(mean: f64, std: f64, low: Option<f64>, high: Option<f64>) -> Result<Self, BrokenRule> {
        Normal::new(mean, std, low, high).map(|normal| Self(Kind::Normal(normal)))
    }

    /// Triangular: the density rises linearly from `low` to `mode` and falls linearly to `high`.
    ///
    /// # Errors
    /// Unless low <= mode <= high and low < high.
    pub fn triangular(low: f64, mode: f64, high: f64) -> Result<Self, BrokenRule> {
        check_interval(low, high)?;
        if !(low..=high).contains(&mode) {
            return Err(BrokenRule("mode must be from low to high"));
        }
        Ok(Self(Kind::Triangular { low, mode, high }))
    }

    /// Integers from `low` to `high`, both included, all equally likely.
    ///
    /// # Errors
    /// Unless low <= high.
    pub fn integers(low: i64, high: i64) -> Result<Self, BrokenRule> {
        if low > high {
            return Err(BrokenRule("low must be at most high"));
        }
        Ok(Self(Kind::Integers { low, high }))
    }

    /// The same integers as floats.
    ///
    /// # Errors
    /// Unless low <= high.
    pub fn whole_floats(low: i64, high: i64) -> Result<Self, BrokenRule> {
        Self::integers(low, high)?;
        Ok(Self(Kind::WholeFloats { low, high }))
    }

    /// Listed values, all equally likely.
    ///
    /// # Errors
    /// If the list is empty.
    pub fn choice(values: Vec<Value>) -> Result<Self, BrokenRule> {
        if values.is_empty() {
            return Err(BrokenRule("has no values"));
        }
        Ok(Self(Kind::Choice(values)))
    }

    /// The same distribution, with its upper end as a possible value.
    ///
    /// # Errors
    /// If it has no ends: a normal distribution must be truncated at both.
    pub fn closed(self) -> Result<Self, BrokenRule> {
        match self.0 {
            Kind::Uniform { low, high, .. } => Ok(Self(Kind::Uniform { low, high, most: high })),
            Kind::Normal(normal) if !normal.is_bounded() => {
                Err(BrokenRule("must have low and high: a morris design visits both ends"))
            }
            kind => Ok(Self(kind)),
        }
    }

    /// The smallest and the largest possible value; `None` for a choice.
    pub fn extremes(&self) -> Option<[ValueRef<'_>; 2]> {
        match &self.0 {
            Kind::Uniform { low, most, .. } => Some([*low, *most].map(ValueRef::Float)),
            Kind::LogUniform { low, high } | Kind::Triangular { low, high, .. } => {
                Some([*low, *high].map(ValueRef::Float))
            }
            Kind::Normal(normal) => Some(normal.support().map(ValueRef::Float)),
            Kind::Integers { low, high } => Some([*low, *high].map(ValueRef::Int)),
            Kind::WholeFloats { low, high } => Some([*low as f64, *high as f64].map(ValueRef::Float)),
            Kind::Choice(_) => None,
        }
    }

    /// The value at one of `levels` equally distant places from 0 to 1, both included.
    pub(crate) fn value_at(&self, level: u64, levels: u64) -> ValueRef<'_> {
        match self.extremes() {
            Some([least, _]) if level == 0 => least,
            Some([_, most]) if level == levels - 1 => most,
            None if level == levels - 1 => self.value(Unit::LAST),
            _ => {
                // Rounded up: what is a whole part of [0, 1) stays one.
                let place = (u128::from(level) * u128::from(PLACES)).div_ceil((levels - 1).into());
                self.value(Unit::new(u64::try_from(place).expect("below 2^53")))
            }
        }
    }

    pub(crate) fn value(&self, unit: Unit) -> ValueRef<'_> {
        match &self.0 {
            // Rounding may reach `high`, which may be excluded.
            Kind::Uniform { low, high, most } => (low + unit.float() * (high - low)).min(*most).into(),
            Kind::LogUniform { low, high } => {
                let (from, to) = (libm::log(*low), libm::log(*high));
                libm::exp(from + unit.float() * (to - from)).clamp(*low, *high).into()
            }
            Kind::Normal(normal) => normal.value(unit).into(),
            Kind::Triangular { low, mode, high } => triangular(*low, *mode, *high, unit.float()).into(),
            Kind::Integers { low, high } => integer(*low, *high, unit).into(),
            Kind::WholeFloats { low, high } => (integer(*low, *high, unit) as f64).into(),
            Kind::Choice(values) => {
                let place = unit.part(values.len() as u128);
                values[usize::try_from(place).expect("an index into values that are in memory")].borrow()
            }
        }
    }
}

fn check_interval(low: f64, high: f64) -> Result<(), BrokenRule> {
    if low >= high {
        return Err(LOW_BELOW_HIGH);
    }
    if !(high - low).is_finite() {
        return Err(BrokenRule("high - low must be finite"));
    }
    Ok(())
}

fn triangular(low: f64, mode: f64, high: f64, share: f64) -> f64 {
    let width = high - low;
    let (rising, falling) = ((mode - low) / width, (high - mode) / width);
    let value = if share < rising {
        low + width * (share * rising).sqrt()
    } else {
        high - width * ((1.0 - share) * falling).sqrt()
    };
    value.clamp(low, high)
}

/// One of the integers from `low` to `high`. If there are more than 2^53, some of them cannot occur.
fn integer(low: i64, high: i64, unit: Unit) -> i64 {
    let count = u128::from(high.abs_diff(low)) + 1;
    let above = u64::try_from(unit.part(count)).expect("below 2^64");
    low.wrapping_add_unsigned(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(distribution: &Distribution, unit: Unit) -> f64 {
        match distribution.value(unit) {
            ValueRef::Float(float) => float,
            other => panic!("{other:?}"),
        }
    }

    /// Values in the middle of equal parts of [0, 1).
    fn spread(distribution: &Distribution) -> impl Iterator<Item = f64> {
        let count = 1 << 12;
        (0..count).map(move |part| float(distribution, Unit::new((2 * part + 1) * (PLACES / count / 2))))
    }

    fn mean_and_variance(distribution: &Distribution) -> (f64, f64) {
        let values: Vec<f64> = spread(distribution).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance =
            values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    }

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let cases = [
            (Distribution::uniform(-1.0, 3.0), 1.0, 16.0 / 12.0),
            // (b - a) / ln(b / a), and (b^2 - a^2) / (2 ln(b / a)) less the mean's square.
            (Distribution::log_uniform(1.0, 100.0), 21.497_576_854_210_962, 623.510_924_921_6),
            (Distribution::triangular(0.0, 1.0, 4.0), 5.0 / 3.0, 13.0 / 18.0),
            (Distribution::normal(10.0, 3.0, None, None), 10.0, 9.0),
            (Distribution::whole_floats(1, 6), 3.5, 35.0 / 12.0),
        ];
        for (distribution, mean, variance) in cases {
            let found = mean_and_variance(&distribution.unwrap());
            close(found.0, mean, 1e-3);
            close(found.1, variance, 5e-3);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_distributions() {
        let at = |distribution: Result<Distribution, _>, quarters: u64| {
            float(&distribution.unwrap(), Unit::new(PLACES / 4 * quarters))
        };
        close(at(Distribution::uniform(-1.0, 3.0), 3), 2.0, 1e-16);
        close(at(Distribution::log_uniform(1e-4, 1e4), 3), 100.0, 1e-14);
        close(at(Distribution::triangular(0.0, 2.0, 4.0), 1), std::f64::consts::SQRT_2, 1e-15);
        close(at(Distribution::triangular(0.0, 0.0, 1.0), 3), 0.5, 1e-15);
        close(at(Distribution::triangular(0.0, 1.0, 1.0), 1), 0.5, 1e-15);
        close(at(Distribution::normal(0.0, 1.0, None, None), 3), 0.674_489_750_196_081_7, 1e-14);
    }

    #[test]
    fn levels_include_both_ends() {
        let levels = |distribution: Distribution| -> Vec<f64> {
            let closed = distribution.closed().unwrap();
            (0..4)
                .map(|level| match closed.value_at(level, 4) {
                    ValueRef::Float(float) => float,
                    ValueRef::Int(integer) => integer as f64,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        assert_eq!(levels(Distribution::uniform(-3.0, 0.0).unwrap()), [-3.0, -2.0, -1.0, 0.0]);
        assert_eq!(levels(Distribution::integers(1, 10).unwrap()), [1.0, 4.0, 7.0, 10.0]);
        // Each third of [0, 1) is one of the values: its first place, too.
        assert_eq!(levels(Distribution::integers(0, 2).unwrap()), [0.0, 1.0, 2.0, 2.0]);
        let choice = Distribution::choice([5, 6].map(Value::Int).to_vec()).unwrap();
        assert_eq!(levels(choice), [5.0, 5.0, 6.0, 6.0]);
        for distribution in [
            Distribution::log_uniform(0.1, 0.3),
            Distribution::triangular(0.1, 0.2, 0.3),
            Distribution::normal(7.0, 3.0, Some(0.1), Some(0.3)),
        ] {
            let found = levels(distribution.unwrap());
            assert_eq!((found[0].to_bits(), found[3].to_bits()), (0.1_f64.to_bits(), 0.3_f64.to_bits()));
            assert!(found.is_sorted(), "{found:?}");
        }
        assert!(Distribution::normal(0.0, 1.0, Some(0.0), None).unwrap().closed().is_err());
    }

    #[test]
    fn values_never_decrease_and_stay_between_the_extremes() {
        let cases = [
            Distribution::uniform(-0.3, 0.1),
            Distribution::uniform(1.0, 1.0_f64.next_up()),
            Distribution::uniform(-8e307, 8e307),
            Distribution::log_uniform(5e-324, 1.7e308),
            Distribution::log_uniform(0.1, 0.3),
            Distribution::triangular(-1e200, 1e199, 1e200),
            Distribution::triangular(0.1, 0.1, 0.7),
            Distribution::triangular(0.1, 0.7, 0.7),
            Distribution::normal(1.0, 0.1, Some(0.9), None),
            Distribution::normal(1.0, 0.1, None, Some(0.5)),
            Distribution::whole_floats(i64::MIN, i64::MAX),
        ];
        for distribution in cases.map(Result::unwrap) {
            let [low, high] = distribution.extremes().unwrap().map(|value| match value {
                ValueRef::Float(float) => float,
                other => panic!("{other:?}"),
            });
            let mut last = low;
            let ends = [float(&distribution, Unit::FIRST), float(&distribution, Unit::LAST)];
            for value in
                ends[..1].iter().copied().chain(spread(&distribution)).chain(ends[1..].iter().copied())
            {
                assert!((last..=high).contains(&value), "{distribution:?}: {value} after {last}");
                last = value;
            }
        }
    }

    #[test]
    fn the_ends_of_a_uniform_distribution() {
        let uniform = Distribution::uniform(0.1, 0.3).unwrap();
        assert_eq!(float(&uniform, Unit::FIRST).to_bits(), 0.1_f64.to_bits());
        assert!(float(&uniform, Unit::LAST) < 0.3);
    }

    #[test]
    fn integers_come_equally_often_with_both_ends() {
        let die = Distribution::integers(-3, 3).unwrap();
        let mut counts = [0; 7];
        for part in 0..7000 {
            let ValueRef::Int(value) = die.value(Unit::new(part * (PLACES / 7000) + 1)) else { panic!() };
            counts[usize::try_from(value + 3).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (999..=1001).contains(count)), "{counts:?}");
        let widest = Distribution::integers(i64::MIN, i64::MAX).unwrap();
        assert_eq!(widest.value(Unit::FIRST), ValueRef::Int(i64::MIN));
        assert_eq!(widest.value(Unit::LAST), ValueRef::Int(i64::MAX - (1 << 11) + 1));
        assert_eq!(Distribution::integers(5, 5).unwrap().value(Unit::LAST), ValueRef::Int(5));
    }

    #[test]
    fn choices_come_equally_often() {
        let values = ["a", "b", "c"].map(|text| Value::Text(text.into()));
        let choice = Distribution::choice(values.to_vec()).unwrap();
        let at = |place| choice.value(Unit::new(place));
        assert_eq!((at(0), at(PLACES / 3), at(PLACES / 3 + 1)), ("a".into(), "a".into(), "b".into()));
        assert_eq!((at(PLACES / 3 * 2), at(PLACES - 1)), ("b".into(), "c".into()));
    }

    #[test]
    fn invalid_distributions_are_refused() {
        assert!(Distribution::uniform(1.0, 1.0).is_err());
        assert!(Distribution::uniform(-1.7e308, 1.7e308).is_err());
        assert!(Distribution::log_uniform(0.0, 1.0).is_err());
        assert!(Distribution::triangular(0.0, 1.5, 1.0).is_err());
        assert!(Distribution::triangular(0.0, 0.0, 0.0).is_err());
        assert!(Distribution::integers(1, 0).is_err());
        assert!(Distribution::whole_floats(1, 0).is_err());
        assert!(Distribution::choice(vec![]).is_err());
    }
}
