//! An axis: the values of one dimension of a grid or a zip, in order, each computed on its own.

use crate::broken_rule::BrokenRule;
use crate::design::range::Range;
use crate::value::{Value, ValueRef};

/// At least one value; `value(i)` costs the same for every i.
#[derive(Clone, Debug)]
pub struct Axis(Kind);

#[derive(Clone, Debug)]
enum Kind {
    List(Vec<Value>),
    Linspace(Linspace),
    /// Exponents of ten.
    Logspace(Linspace),
    Integers(Range),
    Floats(Range),
}

/// Numbers at equal distances, both ends included.
#[derive(Clone, Copy, Debug)]
struct Linspace {
    start: f64,
    stop: f64,
    step: f64,
    count: u64,
}

impl Axis {
    /// Listed values.
    ///
    /// # Errors
    /// If the list is empty.
    pub fn list(values: Vec<Value>) -> Result<Self, BrokenRule> {
        if values.is_empty() {
            return Err(BrokenRule("has no values"));
        }
        Ok(Self(Kind::List(values)))
    }

    /// `num` floats from `start` to `stop`, both included, at equal distances: `numpy.linspace`.
    ///
    /// # Errors
    /// Unless these are at least two finite floats.
    pub fn linspace(start: f64, stop: f64, num: u64) -> Result<Self, BrokenRule> {
        Linspace::new(start, stop, num).map(|linspace| Self(Kind::Linspace(linspace)))
    }

    /// Ten to the powers of `num` numbers from `start` to `stop`, both included: `numpy.logspace`.
    ///
    /// # Errors
    /// Unless these are at least two finite floats.
    pub fn logspace(start: f64, stop: f64, num: u64) -> Result<Self, BrokenRule> {
        let exponents = Linspace::new(start, stop, num)?;
        if !power_of_ten(start.max(stop)).is_finite() {
            return Err(BrokenRule("start and stop are exponents of ten: the largest value must be finite"));
        }
        Ok(Self(Kind::Logspace(exponents)))
    }

    /// The numbers of a range as integers.
    ///
    /// # Errors
    /// If one of them is not an integer of 64 bits.
    pub fn integers(range: Range) -> Result<Self, BrokenRule> {
        if range.integer(0).is_none() || range.integer(range.count() - 1).is_none() {
            return Err(BrokenRule("must have integers of 64 bits, from -2^63 to 2^63 - 1"));
        }
        Ok(Self(Kind::Integers(range)))
    }

    /// The numbers of a range, each as the float nearest to it.
    ///
    /// # Errors
    /// If one of them is not finite.
    pub fn floats(range: Range) -> Result<Self, BrokenRule> {
        if !range.float(0).is_finite() || !range.float(range.count() - 1).is_finite() {
            return Err(BrokenRule("must have finite numbers of 64 bits"));
        }
        Ok(Self(Kind::Floats(range)))
    }

    /// The number of values, from 1 to 2^64 - 1.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Kind::List(values) => values.len() as u64,
            Kind::Linspace(linspace) | Kind::Logspace(linspace) => linspace.count,
            Kind::Integers(range) | Kind::Floats(range) => range.count(),
        }
    }

    /// The value at an index below `count`.
    pub fn value(&self, place: u64) -> ValueRef<'_> {
        match &self.0 {
            Kind::List(values) => {
                values[usize::try_from(place).expect("an index into values that are in memory")].borrow()
            }
            Kind::Linspace(linspace) => linspace.value(place).into(),
            Kind::Logspace(exponents) => exponents.power_of_ten(place).into(),
            Kind::Integers(range) => range.integer(place).expect("as its ends are").into(),
            Kind::Floats(range) => range.float(place).into(),
        }
    }

    /// Values between which all others lie, if the axis is a formula. Otherwise `None`.
    pub fn extremes(&self) -> Option<[ValueRef<'_>; 3]> {
        if matches!(self.0, Kind::List(_)) {
            return None;
        }
        let last = self.count() - 1;
        // Rounding may carry the next to last of many close values past the last, which is exact.
        Some([self.value(0), self.value(last.saturating_sub(1)), self.value(last)])
    }
}

impl Linspace {
    fn new(start: f64, stop: f64, count: u64) -> Result<Self, BrokenRule> {
        if count < 2 {
            return Err(BrokenRule("num must be at least 2"));
        }
        let length = stop - start;
        if !length.is_finite() {
            return Err(BrokenRule("start, stop and their difference must be finite"));
        }
        Ok(Self { start, stop, step: length / (count - 1) as f64, count })
    }

    fn value(&self, place: u64) -> f64 {
        if place == self.count - 1 {
            return self.stop;
        }
        place as f64 * self.step + self.start
    }

    /// Each power is rounded on its own, so it is clamped to those of the ends.
    fn power_of_ten(&self, place: u64) -> f64 {
        power_of_ten(self.value(place))
            .clamp(power_of_ten(self.start.min(self.stop)), power_of_ten(self.start.max(self.stop)))
    }
}

/// Ten to a power. If that is a whole number, the result is the float that is written `1e-5`: `pow` may miss it by one.
fn power_of_ten(exponent: f64) -> f64 {
    if exponent.fract() == 0.0 && exponent.abs() < 400.0 {
        return format!("1e{exponent}").parse().expect("a float");
    }
    libm::pow(10.0, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(axis: &Axis) -> Vec<f64> {
        let float = |place| match axis.value(place) {
            ValueRef::Float(float) => float,
            other => panic!("{other:?}"),
        };
        (0..axis.count()).map(float).collect()
    }

    #[test]
    fn linspace_is_numpys() {
        // numpy.linspace(0, 1, 11), numpy.linspace(2, -1, 4), numpy.linspace(0.1, 0.8, 5)
        let tenths = [
            0.0,
            0.1,
            0.2,
            0.300_000_000_000_000_04,
            0.4,
            0.5,
            0.600_000_000_000_000_1,
            0.700_000_000_000_000_1,
            0.8,
            0.9,
            1.0,
        ];
        assert_eq!(floats(&Axis::linspace(0.0, 1.0, 11).unwrap()), tenths);
        assert_eq!(floats(&Axis::linspace(2.0, -1.0, 4).unwrap()), [2.0, 1.0, 0.0, -1.0]);
        assert_eq!(
            floats(&Axis::linspace(0.1, 0.8, 5).unwrap()),
            [0.1, 0.275, 0.450_000_000_000_000_07, 0.625, 0.8]
        );
        assert_eq!(floats(&Axis::linspace(3.0, 3.0, 2).unwrap()), [3.0, 3.0]);
    }

    #[test]
    fn logspace_has_exponents_and_exact_ends() {
        assert_eq!(floats(&Axis::logspace(-2.0, 2.0, 5).unwrap()), [0.01, 0.1, 1.0, 10.0, 100.0]);
        assert_eq!(floats(&Axis::logspace(2.0, 0.0, 3).unwrap()), [100.0, 10.0, 1.0]);
        assert_eq!(floats(&Axis::logspace(-5.0, -3.0, 3).unwrap()), [1e-5, 1e-4, 1e-3]);
        let whole = floats(&Axis::logspace(-330.0, 308.0, 639).unwrap());
        let written: Vec<f64> = (-330..=308).map(|power| format!("1e{power}").parse().unwrap()).collect();
        assert_eq!(whole, written);
        let close = Axis::logspace(0.0, 1e-15, 100).unwrap();
        assert!(floats(&close).iter().all(|value| (1.0..=libm::pow(10.0, 1e-15)).contains(value)));
    }

    #[test]
    fn all_values_lie_between_the_extremes() {
        let one_ulp = Axis::linspace(1.0, 1.0_f64.next_up(), 1000).unwrap();
        for axis in
            [one_ulp, Axis::linspace(-0.3, 0.9, 1000).unwrap(), Axis::logspace(-1.0, 1.0, 999).unwrap()]
        {
            let extremes = axis.extremes().unwrap().map(|value| match value {
                ValueRef::Float(float) => float,
                other => panic!("{other:?}"),
            });
            let (least, most) = (
                extremes.iter().copied().fold(f64::MAX, f64::min),
                extremes.iter().copied().fold(f64::MIN, f64::max),
            );
            assert!(floats(&axis).iter().all(|value| (least..=most).contains(value)));
        }
    }

    #[test]
    fn what_is_no_axis() {
        assert_eq!(Axis::list(vec![]).unwrap_err().to_string(), "has no values");
        assert!(Axis::linspace(0.0, 1.0, 1).is_err());
        assert!(Axis::linspace(-1e308, 1e308, 3).is_err());
        assert!(Axis::logspace(0.0, 309.0, 2).is_err());
        assert!(Axis::logspace(400.0, 0.0, 2).is_err());
    }
}
