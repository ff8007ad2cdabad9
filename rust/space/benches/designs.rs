//! Benchmarks of single cells of sampled designs, anywhere in 10^12, where the rate is of dimensions; and of
//! expressions, where it is of their parts.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use sweep_space::{Design, Distribution, Expression, ExpressionType, SampleSeed, Scope, ValueRef, Variable};

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

/// Any name is a float.
struct Floats;

impl Scope for Floats {
    fn find(&self, name: &str) -> Result<Variable, String> {
        Ok(Variable { number: name.len(), kind: ExpressionType::Float, nullable: false })
    }

    fn meant(&self, _: usize, text: &str) -> Result<Box<str>, String> {
        Ok(text.into())
    }
}

/// Texts with the number of parts that are looked at: constants, names, operators and functions.
const EXPRESSIONS: [(&str, usize); 2] = [
    ("a < bb", 3),
    ("0.1 * a + sqrt(bb) < 2 and not (a == bb or if(a > 1, exp(-a), log(bb)) < 0.5 ** a)", 24),
];

#[divan::bench(args = [0, 1])]
fn expression(bencher: Bencher<'_, '_>, which: usize) {
    let (text, parts) = EXPRESSIONS[which];
    let expression = Expression::parse(text, &Floats).unwrap();
    let of = |number: usize| Some(ValueRef::Float(black_box(number as f64)));
    bencher.counter(ItemsCount::new(parts)).bench_local(|| {
        black_box(expression.value(&of).unwrap());
    });
}
