//! Properties of whole sampled designs: independence of order, and how evenly they fill the unit cube.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use sweep_space::{Design, Distribution, ValueRef};

const DIMENSIONS: usize = 4;

fn designs(samples: u64, seed: i64) -> [Design; 3] {
    let unit = || vec![Distribution::uniform(0.0, 1.0).unwrap(); DIMENSIONS];
    [
        Design::random(samples, unit(), seed).unwrap(),
        Design::latin_hypercube(samples, unit(), seed).unwrap(),
        Design::sobol(samples, unit(), Some(seed.into())).unwrap(),
    ]
}

fn point(design: &Design, cell: u64) -> [f64; DIMENSIONS] {
    let mut point = [f64::NAN; DIMENSIONS];
    design.decode(cell, |dimension, value| match value {
        ValueRef::Float(float) => point[dimension] = float,
        other => panic!("{other:?}"),
    });
    point
}

/// Centred L2-discrepancy, squared. Source: F. J. Hickernell, "A generalized discrepancy and quadrature error
/// bound", Math. Comp. 67 (1998), equation 5.1c.
fn discrepancy(points: &[[f64; DIMENSIONS]]) -> f64 {
    let count = points.len() as f64;
    let off = |value: f64| (value - 0.5).abs();
    let single = |point: &[f64; DIMENSIONS]| {
        point.iter().map(|value| 1.0 + off(*value) / 2.0 - off(*value) * off(*value) / 2.0).product::<f64>()
    };
    let pair = |one: &[f64; DIMENSIONS], other: &[f64; DIMENSIONS]| {
        let factors = one
            .iter()
            .zip(other)
            .map(|(left, right)| 1.0 + (off(*left) + off(*right) - (left - right).abs()) / 2.0);
        factors.product::<f64>()
    };
    let singles: f64 = points.iter().map(single).sum();
    let pairs: f64 = points.iter().map(|one| points.iter().map(|other| pair(one, other)).sum::<f64>()).sum();
    let constant = (0..DIMENSIONS).fold(1.0, |product, _| product * 13.0 / 12.0);
    constant - 2.0 / count * singles + pairs / count / count
}

#[test]
fn latin_hypercubes_are_more_even_than_random_points_and_sobol_points_most() {
    let samples = 256;
    let mut sums = [0.0; 3];
    for seed in 0..10 {
        for (sum, design) in sums.iter_mut().zip(designs(samples, seed)) {
            let points: Vec<_> = (0..samples).map(|cell| point(&design, cell)).collect();
            *sum += discrepancy(&points);
        }
    }
    let [random, latin_hypercube, sobol] = sums;
    assert!(latin_hypercube < 0.7 * random, "{sums:?}");
    assert!(sobol < 0.1 * random, "{sums:?}");
}

#[test]
fn points_are_the_same_in_any_order_and_from_any_copy() {
    let samples = 1009;
    for (number, design) in designs(samples, -3).into_iter().enumerate() {
        let forward: Vec<_> = (0..samples).map(|cell| point(&design, cell)).collect();
        let again = &designs(samples, -3)[number];
        for step in 0..samples {
            // 1009 is a prime, so this visits all cells.
            let cell = step * 611 % samples;
            assert_eq!(
                point(again, cell).map(f64::to_bits),
                forward[usize::try_from(cell).unwrap()].map(f64::to_bits)
            );
        }
    }
}

#[test]
fn dimensions_and_seeds_have_numbers_of_their_own() {
    let samples = 10_000;
    // Not of the third: a scrambled sequence keeps its first digits, flipped or not, under every seed.
    for (number, design) in designs(samples, 1)[..2].iter().enumerate() {
        let other = &designs(samples, 2)[number];
        let centred = |value: f64| (value - 0.5) * 12_f64.sqrt();
        let (mut dimensions, mut seeds) = (0.0, 0.0);
        for cell in 0..samples {
            let (here, there) = (point(design, cell).map(centred), point(other, cell).map(centred));
            dimensions += here[0] * here[1];
            seeds += here[0] * there[0];
        }
        for correlation in [dimensions, seeds].map(|sum| sum / samples as f64) {
            // Standard error of independent numbers: 0.01.
            assert!(correlation.abs() < 0.04, "{number}: {correlation}");
        }
    }
}
