//! The M/M/c queue, first come, first served, simulated customer by customer.
//!
//! Customers arrive in a Poisson process at `arrival_rate` and are served by `servers` identical servers for
//! exponential times of rate `service_rate`. The system starts empty at time 0 and ends when the last
//! customer has left; the first `warmup` customers are simulated but not counted. Customer n has the same
//! random numbers at every point of a replicate, so points differ by their parameters and by little noise.
//!
//! Over the N counted customers, with waits w and services s, and the counted time T, which runs from the
//! last uncounted arrival (time 0 without warm-up) until the last counted customer has left:
//!
//! - `mean_wait` = sum(w) / N, the time in the queue before service;
//! - `p_wait` = the share of customers with w > 0;
//! - `utilisation` = sum(s) / (servers T), at most 1 except for rounding;
//! - `mean_queue_length` = sum(w) / T, the time average of counted customers in the queue (Little's law,
//!   exact here).
//!
//! For a stable queue and many customers they converge to the stationary values; `p_wait` to Erlang's C. An
//! unstable queue (`arrival_rate` >= `servers` `service_rate`) is simulated as well: averages over a finite
//! horizon exist. Impatience, priorities and general distributions are not modelled.
//!
//! Sources: A. K. Erlang (1917); L. Kleinrock, "Queueing Systems", vol. 1 (1975), section 3.5; the recursion
//! over servers' free times is J. Kiefer and J. Wolfowitz, "On the theory of queues with many servers"
//! (1955).

mod servers;
#[cfg(test)]
mod tests;

use sweep_runtime::{
    Column, Dataset, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams,
};

use servers::Servers;

const ARRIVALS: u32 = 0;
const SERVICES: u32 = 1;

/// The model; see the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Queue;

impl Model for Queue {
    type Scratch = Servers;

    fn declaration(&self) -> Declaration {
        let rate = |name, default| Parameter::float(name, default).unit("1/time").above(0.0).at_most(1e9);
        Declaration::new("queue", "1", "M/M/c queue, first come first served, from an empty start")
            .parameter(rate("arrival_rate", 0.8).doc("customers arriving per unit of time"))
            .parameter(rate("service_rate", 1.0).doc("customers served per unit of time by one busy server"))
            .parameter(Parameter::int("servers", 1).at_least(1).at_most(100_000).doc("servers"))
            .parameter(
                Parameter::int("customers", 10_000)
                    .at_least(1)
                    .at_most(1_000_000_000)
                    .doc("customers to simulate, including the warm-up"),
            )
            .parameter(
                Parameter::int("warmup", 0)
                    .at_least(0)
                    .at_most(1_000_000_000)
                    .doc("number of first customers that are not counted; below customers"),
            )
            .metric(
                Column::float("mean_wait")
                    .unit("time")
                    .headline()
                    .doc("mean time in the queue, before service"),
            )
            .metric(Column::float("p_wait").doc("share of customers who wait"))
            .metric(Column::float("utilisation").headline().doc("share of the servers' time spent serving"))
            .metric(
                Column::float("mean_queue_length")
                    .doc("time average of the number of customers in the queue"),
            )
            .dataset(
                Dataset::new("customers", "one row per counted customer, in order of arrival")
                    .column(
                        Column::int("number")
                            .doc("position in the order of arrival, from 0, including the warm-up"),
                    )
                    .column(Column::float("arrival").unit("time").doc("when the customer arrives"))
                    .column(Column::float("wait").unit("time").doc("time in the queue"))
                    .column(Column::float("service").unit("time").doc("time in service")),
            )
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        streams: &Streams,
        servers: &mut Servers,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let (customers, warmup) = (given.int("customers"), given.int("warmup"));
        if warmup >= customers {
            let message = format!("warmup = {warmup} must be below customers = {customers}");
            return Err(DomainError::new("warmup_too_long", message));
        }
        let mean_gap = 1.0 / given.float("arrival_rate");
        let mean_service = 1.0 / given.float("service_rate");
        let (mut gaps, mut services) = (streams.stream(ARRIVALS, 0), streams.stream(SERVICES, 0));
        servers.open(given.count("servers"));
        let mut rows = output.rows("customers");
        let mut arrival = 0.0;
        let mut totals = Totals::default();
        for number in 0..customers {
            if number == warmup {
                totals.start = arrival;
            }
            arrival += gaps.exponential(mean_gap);
            let service = services.exponential(mean_service);
            let begin = servers.earliest().max(arrival);
            servers.occupy_until(begin + service);
            if number >= warmup {
                let wait = begin - arrival;
                totals.count(wait, service, begin + service);
                if let Some(rows) = &mut rows {
                    rows.push(&[number.into(), arrival.into(), wait.into(), service.into()]);
                }
            }
        }
        totals.write((customers - warmup) as f64, given.int("servers") as f64, output);
        Ok(())
    }
}

/// Sums over the counted customers.
#[derive(Debug, Default)]
struct Totals {
    start: f64,
    end: f64,
    wait: f64,
    waited: f64,
    service: f64,
}

impl Totals {
    fn count(&mut self, wait: f64, service: f64, departure: f64) {
        self.wait += wait;
        self.waited += f64::from(u8::from(wait > 0.0));
        self.service += service;
        self.end = self.end.max(departure);
    }

    fn write(&self, customers: f64, servers: f64, output: &mut Output) {
        let time = self.end - self.start;
        // All draws may be exactly 0, once in 2^106 points: then no server was busy and no customer waited.
        let per_time = |total: f64| if time > 0.0 { total / time } else { 0.0 };
        output.metric("mean_wait", self.wait / customers);
        output.metric("p_wait", self.waited / customers);
        output.metric("utilisation", per_time(self.service) / servers);
        output.metric("mean_queue_length", per_time(self.wait));
    }
}
