//! Draws against the distributions that they should have. Seeds are fixed.

use super::*;
use crate::random::streams::Streams;

fn stream(seed: i64) -> Stream {
    Streams::new(seed, 0).stream(0, 0)
}

#[test]
fn a_normal_is_symmetric_in_its_uniform_and_scales() {
    let (mut plain, mut scaled, mut bits) = (stream(1), stream(1), stream(1));
    for _ in 0..1000 {
        let [below, above] = Unit::from_bits(bits.bits()).tails();
        let deviation = plain.normal(0.0, 1.0);
        assert_eq!(deviation.to_bits(), deviation_of(below, above).to_bits());
        assert_eq!(scaled.normal(3.0, 2.0).to_bits(), (3.0 + 2.0 * deviation).to_bits());
    }
}

fn deviation_of(below: f64, above: f64) -> f64 {
    let mirrored = -deviation(above, below);
    assert_eq!(deviation(below, above).to_bits(), mirrored.to_bits());
    mirrored
}

#[test]
fn bits_are_the_same_on_every_machine() {
    let mut draws = stream(42);
    let floats = [draws.exponential(3.0), draws.normal(0.0, 1.0), draws.normal(-1.0, 10.0)];
    assert_eq!(
        floats.map(f64::to_bits),
        [4_612_303_244_795_730_604, 13_824_431_594_758_098_984, 13_841_228_399_165_129_940]
    );
}

#[test]
fn a_poisson_value_grows_with_its_mean() {
    for seed in 0..1000 {
        let values = [0.0, 0.1, 1.0, 3.0, 9.0].map(|mean| stream(seed).poisson(mean));
        assert!(values.is_sorted() && values[0] == 0, "{values:?}");
    }
}

#[test]
fn a_poisson_value_ends_where_the_uniform_has_no_steps_left() {
    for mean in [1e-300, 1.0, 9.999] {
        // A uniform that no cumulative probability exceeds: rounding keeps these below 1.
        let mut last = stream(0).with_next_bits(u64::MAX);
        assert!((0..60).contains(&last.poisson(mean)), "{mean}");
    }
}

#[test]
fn invalid_poisson_means_are_refused() {
    for mean in [-1.0, f64::NAN, f64::INFINITY, 1.1e15] {
        assert!(std::panic::catch_unwind(|| stream(0).poisson(mean)).is_err(), "{mean}");
    }
}

#[test]
fn integers_have_any_ends() {
    let mut draws = stream(1);
    assert_eq!(draws.integer(7..=7), 7);
    assert_eq!(draws.integer(i64::MAX..=i64::MAX), i64::MAX);
    let wide: Vec<i64> = (0..100).map(|_| draws.integer(i64::MIN..=i64::MAX)).collect();
    assert!(wide.iter().any(|value| *value < 0) && wide.iter().any(|value| *value > 0));
    let outer = (0..100).map(|_| draws.integer(i64::MIN..=i64::MAX - 1));
    assert!(outer.max() < Some(i64::MAX));
    let mut halves = [0; 2];
    for _ in 0..1000 {
        let value = draws.integer(i64::MAX - 1..=i64::MAX);
        halves[usize::from(value == i64::MAX)] += 1;
    }
    assert!(halves.iter().all(|count| *count > 400), "{halves:?}");
}

#[test]
fn products_that_would_be_one_too_many_are_drawn_again() {
    // 2^64 = 3 (2^64 / 3) + 1: of all bits, only 0 is left over.
    let mut draws = stream(0).with_next_bits(0);
    let mut next = draws.clone();
    next.bits();
    assert_eq!(draws.integer(0..=2), next.integer(0..=2));
}

#[test]
fn empty_ranges_and_slices_are_refused() {
    #[expect(clippy::reversed_empty_ranges, reason = "it shall be empty")]
    let range = || stream(0).integer(1..=0);
    assert!(std::panic::catch_unwind(range).is_err());
    assert!(std::panic::catch_unwind(|| stream(0).index(0)).is_err());
    stream(0).shuffle::<u8>(&mut []);
}

mod statistical {
    use std::collections::BTreeMap;

    use super::*;

    /// Chi-square of counts against their expected values, in standard deviations from its mean.
    fn excess(counts: &[(f64, f64)]) -> f64 {
        let chi: f64 =
            counts.iter().map(|(found, expected)| (found - expected) * (found - expected) / expected).sum();
        let freedom = counts.len() as f64 - 1.0;
        (chi - freedom) / (2.0 * freedom).sqrt()
    }

    /// The largest distance between the cumulative shares of values and those that they should have, times
    /// the root of their number: above 1.95 for one sample in a thousand (Kolmogorov).
    fn distance(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let gap = |(place, value): (usize, &f64)| {
            let share = cumulative(*value);
            (share - place as f64 / count).max((place + 1) as f64 / count - share)
        };
        values.iter().enumerate().map(gap).fold(0.0, f64::max) * count.sqrt()
    }

    fn normal_share(value: f64) -> f64 {
        0.5 * libm::erfc(-value * std::f64::consts::FRAC_1_SQRT_2)
    }

    /// Asserts that mean and variance are within 4 standard errors; `fourth` is the fourth central moment.
    fn assert_moments(values: &[f64], mean: f64, variance: f64, fourth: f64) {
        let count = values.len() as f64;
        let found = values.iter().map(|value| value - mean).sum::<f64>() / count;
        assert!(found.abs() < 4.0 * (variance / count).sqrt(), "the mean is {found} off {mean}");
        let found = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        let error = ((fourth - variance * variance) / count).sqrt();
        assert!((found - variance).abs() < 4.0 * error, "{found} is not {variance} +- 4 x {error}");
    }

    #[test]
    fn normals() {
        let mut draws = stream(1);
        let values: Vec<f64> = (0..1_000_000).map(|_| draws.normal(0.0, 1.0)).collect();
        assert_moments(&values, 0.0, 1.0, 3.0);
        let found = distance(values, normal_share);
        assert!(found < 1.95, "{found}");
    }

    #[test]
    fn exponentials() {
        let mut draws = stream(2);
        let values: Vec<f64> = (0..1_000_000).map(|_| draws.exponential(0.5)).collect();
        assert!(values.iter().all(|value| *value >= 0.0));
        assert_moments(&values, 0.5, 0.25, 9.0 / 16.0);
        let found = distance(values, |value| -libm::expm1(-value / 0.5));
        assert!(found < 1.95, "{found}");
    }

    /// Counts of a million values with their expected numbers, from the definition; both tails are put
    /// together, so that all are expected ten times at least.
    fn poisson_counts(mean: f64) -> Vec<(f64, f64)> {
        let draws = 1_000_000_u32;
        let mut stream = stream(3);
        let mut found = BTreeMap::new();
        for _ in 0..draws {
            *found.entry(stream.poisson(mean)).or_insert(0_u32) += 1;
        }
        let last = *found.last_key_value().unwrap().0;
        let probability = |value: f64| libm::exp(value * libm::log(mean) - mean - libm::lgamma(value + 1.0));
        let (mut counts, mut pending, mut unseen) = (vec![], (0.0, 0.0), f64::from(draws));
        for value in 0..=last {
            let expected = f64::from(draws) * probability(value as f64);
            pending.0 += f64::from(found.get(&value).copied().unwrap_or(0));
            pending.1 += expected;
            unseen -= expected;
            if pending.1 >= 10.0 && unseen >= 10.0 {
                counts.push(std::mem::take(&mut pending));
            }
        }
        counts.push((pending.0, pending.1 + unseen));
        counts
    }

    #[test]
    fn poisson_values() {
        for mean in [0.01, 0.7, 3.0, 9.99, 10.0, 10.5, 17.0, 60.0, 1234.5, 1e5] {
            let found = excess(&poisson_counts(mean));
            assert!(found.abs() < 4.0, "{mean}: {found}");
        }
    }

    #[test]
    fn poisson_values_of_large_means() {
        for mean in [1e6, 1e9, 1e12, 1e15] {
            let mut draws = stream(4);
            let values: Vec<f64> =
                (0..200_000).map(|_| (draws.poisson(mean) as f64 - mean) / mean.sqrt()).collect();
            assert_moments(&values, 0.0, 1.0, 3.0 + 1.0 / mean);
            // The normal distribution is off by the skewness, 1 / (6 sqrt(mean)), times the density at most.
            let found = distance(values, normal_share);
            assert!(found < 1.95, "{mean}: {found}");
        }
    }

    #[test]
    fn integers() {
        for count in [2, 3, 6, 10, 1000] {
            let mut draws = stream(5);
            let mut counts = vec![(0.0, 1e6 / f64::from(count)); usize::try_from(count).unwrap()];
            for _ in 0..1_000_000 {
                counts[usize::try_from(draws.integer(-3..=i64::from(count) - 4) + 3).unwrap()].0 += 1.0;
            }
            let found = excess(&counts);
            assert!(found.abs() < 4.0, "{count}: {found}");
        }
    }

    #[test]
    fn integers_of_a_range_that_divides_no_power_of_two() {
        // Of 3 2^62 integers, every third would otherwise be twice as likely as the others.
        let mut draws = stream(6);
        let mut counts = [(0.0, 1e5); 3];
        for _ in 0..300_000 {
            let offset = draws.integer(i64::MIN..=i64::MAX / 2).abs_diff(i64::MIN);
            counts[usize::try_from(offset % 3).unwrap()].0 += 1.0;
        }
        let found = excess(&counts);
        assert!(found.abs() < 4.0, "{found}");
    }

    #[test]
    fn shuffles() {
        let mut counts = BTreeMap::new();
        let mut draws = stream(7);
        for _ in 0..240_000 {
            let mut order = [0, 1, 2, 3];
            draws.shuffle(&mut order);
            counts.entry(order).or_insert((0.0, 10_000.0)).0 += 1.0;
        }
        assert_eq!(counts.len(), 24);
        let found = excess(&counts.into_values().collect::<Vec<_>>());
        assert!(found.abs() < 4.0, "{found}");
    }
}
