//! A custom engine whose models misbehave on request. For tests and benchmarks; never shipped.

mod burn;
mod faulty;
mod typed;

sweep_runtime::engine!(burn::Burn, faulty::Faulty, typed::Typed);
