//! The general stochastic epidemic (SIR), up to its final size.
//!
//! In a closed, well-mixed population of N people, each infected person infects each susceptible one at rate
//! `r0` / N and recovers permanently at rate 1. Only the order of events matters for the final size, so the
//! embedded jump chain is simulated: with S susceptible, the next event is an infection with probability `r0`
//! S / (`r0` S + N), else a recovery, until no one is infected. Time, births, deaths, latency and contact
//! structure are not simulated.
//!
//! N is `population`, the whole population: `initial_infected` infected people and the rest susceptible.
//! (Some authors take N as the susceptibles at the start. With 200 susceptible people, 1 infected and R0 = 2
//! their convention gives a mean of 78.191 new infections, this one 77.498.)
//!
//! Source: N. T. J. Bailey, "The Mathematical Theory of Infectious Diseases" (1975), chapter 6; H. Andersson
//! and T. Britton, "Stochastic Epidemic Models and Their Statistical Analysis" (2000), chapter 2.

#[cfg(test)]
mod tests;

use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

const EVENTS: u32 = 0;

/// The model; see the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Epidemic;

impl Model for Epidemic {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        let people =
            |name, default| Parameter::int(name, default).unit("people").at_least(1).at_most(100_000_000);
        Declaration::new(
            "epidemic",
            "1",
            "stochastic SIR epidemic in a closed population, up to its final size",
        )
        .parameter(people("population", 1000).doc("the whole population, including the initially infected"))
        .parameter(people("initial_infected", 1).doc("infected people at the start; at most population"))
        .parameter(
            Parameter::float("r0", 2.0)
                .at_least(0.0)
                .at_most(1e6)
                .doc("mean number of people infected by one person in a wholly susceptible population"),
        )
        .metric(Column::int("new_infections").unit("people").doc("people infected after the start"))
        .metric(
            Column::float("attack_rate")
                .headline()
                .doc("share of the initially susceptible who were infected; 0 if there were none"),
        )
        .metric(Column::int("peak_infected").unit("people").headline().doc("most people infected at once"))
        .metric(Column::int("events").doc("infections and recoveries until no one is infected"))
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        streams: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let (population, initial) = (given.int("population"), given.int("initial_infected"));
        if initial > population {
            let message = format!("initial_infected = {initial} must be at most population = {population}");
            return Err(DomainError::new("too_many_infected", message));
        }
        let (r0, everybody) = (given.float("r0"), population as f64);
        let at_start = population - initial;
        let mut events = streams.stream(EVENTS, 0);
        let (mut susceptible, mut infected, mut peak) = (at_start, initial, initial);
        while infected > 0 && susceptible > 0 {
            let pressure = r0 * susceptible as f64;
            if events.uniform() * (pressure + everybody) < pressure {
                susceptible -= 1;
                infected += 1;
                peak = peak.max(infected);
            } else {
                infected -= 1;
            }
        }
        // Once no one is susceptible, only recoveries are left.
        let new_infections = at_start - susceptible;
        let share = if at_start > 0 { new_infections as f64 / at_start as f64 } else { 0.0 };
        output.metric("new_infections", new_infections);
        output.metric("attack_rate", share);
        output.metric("peak_infected", peak);
        output.metric("events", new_infections * 2 + initial);
        Ok(())
    }
}
