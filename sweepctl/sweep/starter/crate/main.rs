//! An engine with one model. `sweepctl check-model --engine target/release/coin` tries it.

use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

struct Coin;

impl Model for Coin {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        // Another version, "2", for each change of what it computes.
        Declaration::new("coin", "1", "a coin that is tossed, again and again")
            .parameter(Parameter::float("bias", 0.5).at_least(0.0).at_most(1.0).doc("probability of heads"))
            .parameter(
                Parameter::int("tosses", 100).at_least(1).at_most(1_000_000).doc("how often it is tossed"),
            )
            .metric(Column::float("heads").doc("share of heads"))
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        streams: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let mut stream = streams.stream(0, 0);
        let (bias, tosses) = (given.float("bias"), given.int("tosses"));
        let heads = (0..tosses).filter(|_| stream.uniform() < bias).count();
        output.metric("heads", heads as f64 / tosses as f64);
        Ok(())
    }
}

sweep_runtime::engine!(Coin);
