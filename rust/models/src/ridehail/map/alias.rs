//! Draws from fixed unequal shares in constant time.
//!
//! Source: A. J. Walker (1977), in the form of M. D. Vose, "A linear algorithm for generating random numbers
//! with a given distribution" (1991).

use sweep_runtime::Stream;

/// A table over the indices `0..n`.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    /// The share of a column that belongs to its own index.
    own: Vec<f64>,
    /// The index to which the rest of the column belongs.
    other: Vec<u32>,
}

impl Alias {
    /// A table for weights: at least one is positive, none is negative.
    pub(super) fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut own: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut other: Vec<u32> = (0..).take(own.len()).collect();
        let (mut less, mut more): (Vec<u32>, Vec<u32>) =
            other.iter().partition(|index| own[**index as usize] < 1.0);
        while let (Some(low), Some(high)) = (less.last().copied(), more.last().copied()) {
            less.pop();
            other[low as usize] = high;
            own[high as usize] -= 1.0 - own[low as usize];
            if own[high as usize] < 1.0 {
                more.pop();
                less.push(high);
            }
        }
        // What is left differs from a full column only by rounding.
        for index in less.into_iter().chain(more) {
            own[index as usize] = 1.0;
        }
        Self { own, other }
    }

    /// An index, in proportion to its weight. Takes two numbers.
    pub(super) fn draw(&self, stream: &mut Stream) -> usize {
        let column = super::below(self.own.len() as u64, stream).expect("at least one weight");
        if stream.uniform() < self.own[column] { column } else { self.other[column] as usize }
    }
}

#[cfg(test)]
mod tests {
    use sweep_runtime::Streams;

    use super::*;

    #[test]
    fn draws_are_in_proportion() {
        let weights = [1.0, 0.0, 5.0, 2.5, 1.5];
        let alias = Alias::new(&weights);
        let mut stream = Streams::new(1, 0).stream(0, 0);
        let mut counts = [0.0; 5];
        let draws = 1_000_000;
        for _ in 0..draws {
            counts[alias.draw(&mut stream)] += 1.0;
        }
        for (weight, count) in weights.iter().zip(counts) {
            let share = weight / 10.0;
            let error = (share * (1.0 - share) / f64::from(draws)).sqrt();
            assert!((count / f64::from(draws) - share).abs() <= 3.0 * error, "{weight}: {count}");
        }
    }
}
