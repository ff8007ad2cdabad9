//! Benchmarks of single cells of sampled designs, anywhere in 10^12; the rate is of dimensions.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use sweep_space::{Design, Distribution, SampleSeed};

const SEED: i64 = 1;
const CELLS: u64 = 1_000_000_000_000;
const DIMENSIONS: [usize; 3] = [2, 10, 100];

fn main() {
    divan::main();
}

fn uniforms(count: usize) -> Vec<Distribution> {
    vec![Distribution::uniform(0.5, 1.5).unwrap(); count]
}

fn decode(bencher: Bencher<'_, '_>, design: &Design, dimensions: usize) {
    let mut cell = 0;
    bencher.counter(ItemsCount::new(dimensions)).bench_local(|| {
        cell = (cell + 611_953_611_953) % design.cells();
        design.decode(cell, |_, value| {
            black_box(value);
        });
    });
}

#[divan::bench(args = DIMENSIONS)]
fn random(bencher: Bencher<'_, '_>, dimensions: usize) {
    decode(bencher, &Design::random(CELLS, uniforms(dimensions), SEED).unwrap(), dimensions);
}

#[divan::bench(args = DIMENSIONS)]
fn latin_hypercube(bencher: Bencher<'_, '_>, dimensions: usize) {
    decode(bencher, &Design::latin_hypercube(CELLS, uniforms(dimensions), SEED).unwrap(), dimensions);
}

#[divan::bench(args = DIMENSIONS)]
fn sobol(bencher: Bencher<'_, '_>, dimensions: usize) {
    decode(bencher, &Design::sobol(CELLS, uniforms(dimensions), Some(SEED.into())).unwrap(), dimensions);
}

#[divan::bench(args = DIMENSIONS)]
fn saltelli(bencher: Bencher<'_, '_>, dimensions: usize) {
    decode(bencher, &Design::saltelli(CELLS, true, uniforms(dimensions), SEED).unwrap(), dimensions);
}

#[divan::bench(args = DIMENSIONS)]
fn morris(bencher: Bencher<'_, '_>, dimensions: usize) {
    decode(bencher, &Design::morris(CELLS, 4, uniforms(dimensions), SEED).unwrap(), dimensions);
}

#[divan::bench(args = DIMENSIONS)]
fn cross(bencher: Bencher<'_, '_>, dimensions: usize) {
    let half = || uniforms(dimensions / 2);
    let scenarios = Design::latin_hypercube(1_000_000, half(), SEED).unwrap();
    let policies = Design::random(1_000_000, half(), SampleSeed::new(SEED, 1)).unwrap();
    decode(bencher, &Design::cross(vec![policies, scenarios]).unwrap(), dimensions);
}
