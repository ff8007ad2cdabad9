//! The queue against Erlang's formulas. Seeds are fixed; tolerances are three standard errors over
//! replicates.

use sweep_runtime::{Trial, Value, ValueRef, trial};

use super::Queue;

fn metric(given: &[(&str, ValueRef)], replicate: u32, name: &str) -> f64 {
    match trial(&Queue, given, 42, replicate).unwrap()[name] {
        Value::Float(value) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

/// Erlang's C: the probability that a customer waits, for `servers` and `load` = arrival rate / service rate.
fn erlang_c(servers: i32, load: f64) -> f64 {
    let b = (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let rho = load / f64::from(servers);
    b / (1.0 - rho + rho * b)
}

/// Asserts that the mean over replicates is within three of its standard errors, and that these are small.
fn assert_mean(samples: &[f64], expected: f64, largest_error: f64) {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean) * (sample - mean)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    assert!(error < largest_error, "standard error {error}");
    assert!((mean - expected).abs() < 3.0 * error, "{mean} is not {expected} +- 3 x {error}");
}

fn assert_stationary(servers: i32, arrival_rate: f64, service_rate: f64, largest_error: f64) {
    let given = [
        ("arrival_rate", arrival_rate.into()),
        ("service_rate", service_rate.into()),
        ("servers", i64::from(servers).into()),
        ("customers", 30_000.into()),
        ("warmup", 5_000.into()),
    ];
    let c = erlang_c(servers, arrival_rate / service_rate);
    let wait = c / (f64::from(servers) * service_rate - arrival_rate);
    let expected = [
        ("p_wait", c, 1.0),
        ("mean_wait", wait, wait),
        ("mean_queue_length", wait * arrival_rate, wait * arrival_rate),
        ("utilisation", arrival_rate / (f64::from(servers) * service_rate), 1.0),
    ];
    for (name, expected, scale) in expected {
        let samples: Vec<_> = (0..100).map(|replicate| metric(&given, replicate, name)).collect();
        assert_mean(&samples, expected, largest_error * scale);
    }
}

#[test]
fn erlang_c_of_ten_servers() {
    assert!((erlang_c(10, 8.0) - 0.409_180).abs() < 5e-7);
    assert!((erlang_c(10, 8.0) / 2.0 - 0.204_590).abs() < 5e-7);
    assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
}

#[test]
fn one_customer_has_every_metric() {
    let given = [("customers", 1.into())];
    for name in ["mean_wait", "p_wait", "mean_queue_length"] {
        assert_eq!(metric(&given, 0, name).to_bits(), 0.0_f64.to_bits());
    }
    let utilisation = metric(&given, 0, "utilisation");
    assert!(0.0 < utilisation && utilisation < 1.0, "{utilisation}");
}

#[test]
fn an_overloaded_queue_has_finite_averages() {
    let given = [("arrival_rate", 1e9.into()), ("service_rate", 1e-9.into()), ("servers", 3.into())];
    assert!(metric(&given, 0, "mean_wait") > 1e9);
    assert!(metric(&given, 0, "utilisation") > 0.99);
}

#[test]
fn a_warmup_of_all_customers_is_a_domain_error() {
    let error = trial(&Queue, &[("customers", 5.into()), ("warmup", 5.into())], 42, 0).unwrap_err();
    assert_eq!(error.code(), "warmup_too_long");
    assert_eq!(error.message(), "warmup = 5 must be below customers = 5");
}

#[test]
fn rows_are_the_customers_that_metrics_count() {
    let given = [("customers", 50.into()), ("warmup", 10.into())];
    let mut trial = Trial::new(&Queue, &given).outputs(&["customers"]);
    trial.run(42, 1).unwrap();
    let rows = trial.rows("customers");
    let numbers: Vec<Value> = rows.iter().map(|row| row["number"].clone()).collect();
    assert_eq!(numbers, (10..50).map(Value::Int).collect::<Vec<_>>());
    let waits = rows.iter().map(|row| if let Value::Float(wait) = row["wait"] { wait } else { f64::NAN });
    assert_eq!(trial.metric("mean_wait"), (waits.sum::<f64>() / 40.0).into());
    assert_eq!(trial.metric("mean_wait"), metric(&given, 1, "mean_wait").into());
}

#[test]
fn points_share_their_customers_random_numbers() {
    // Half the rates is the same queue in half the tempo, to the last bit.
    let slow = [("arrival_rate", 0.4.into()), ("service_rate", 0.5.into())];
    let fast = [("arrival_rate", 0.8.into()), ("service_rate", 1.0.into())];
    let (slow, fast) = (metric(&slow, 3, "mean_wait"), metric(&fast, 3, "mean_wait"));
    assert_eq!(slow.to_bits(), (2.0 * fast).to_bits());
}

mod statistical {
    use super::*;

    #[test]
    fn ten_servers_are_stationary() {
        // Standard errors: 0.0018 of p_wait, 0.0023 (1.1 %) of mean_wait.
        assert_stationary(10, 8.0, 1.0, 0.012);
    }

    #[test]
    fn one_server_is_stationary() {
        // Standard errors: 0.0008 of p_wait, 0.013 (0.7 %) of mean_wait.
        assert_stationary(1, 1.6, 2.0, 0.008);
    }
}
