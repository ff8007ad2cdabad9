//! The epidemic against the exact distribution of its final size. Seeds are fixed; tolerances are three
//! standard errors.

use sweep_runtime::{Value, ValueRef, trial};

use super::Epidemic;

/// The exact distribution of new infections, by recursion over the jump chain's states (susceptible,
/// infected).
fn exact(susceptible: usize, initial: usize, r0: f64, everybody: f64) -> Vec<f64> {
    let mut reached = vec![0.0; susceptible + initial + 2];
    reached[initial] = 1.0;
    let mut sizes = Vec::new();
    for left in (0..=susceptible).rev() {
        let pressure = r0 * left as f64;
        let infection = pressure / (pressure + everybody);
        let mut next = vec![0.0; reached.len()];
        for infected in (1..reached.len() - 1).rev() {
            next[infected + 1] = reached[infected] * infection;
            reached[infected - 1] += reached[infected] * (1.0 - infection);
        }
        sizes.push(reached[0]);
        reached = next;
    }
    sizes
}

fn mean(sizes: &[f64]) -> f64 {
    sizes.iter().enumerate().map(|(size, probability)| size as f64 * probability).sum()
}

fn int(metric: &Value) -> i64 {
    match metric {
        Value::Int(value) => *value,
        other => panic!("{other:?} is not an integer"),
    }
}

/// How often each number of new infections comes up in `replicates`.
fn simulated(population: i64, initial: i64, r0: f64, replicates: u32) -> Vec<f64> {
    let given = [("population", population.into()), ("initial_infected", initial.into()), ("r0", r0.into())];
    let mut counts = vec![0.0; usize::try_from(population - initial).unwrap() + 1];
    for replicate in 0..replicates {
        let metrics = trial(&Epidemic, &given, 42, replicate).unwrap();
        counts[usize::try_from(int(&metrics["new_infections"])).unwrap()] += 1.0 / f64::from(replicates);
    }
    counts
}

#[test]
fn the_exact_distribution_fixes_the_convention() {
    let counts_everybody = exact(200, 1, 2.0, 201.0);
    assert!((counts_everybody.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!((mean(&counts_everybody) - 77.498).abs() < 5e-4);
    assert!((counts_everybody[..20].iter().sum::<f64>() - 0.508_32).abs() < 5e-6);
    assert!((mean(&exact(200, 1, 2.0, 200.0)) - 78.191).abs() < 5e-4);
}

fn metrics(given: &[(&str, ValueRef)]) -> [Value; 4] {
    let metrics = trial(&Epidemic, given, 42, 0).unwrap();
    ["new_infections", "attack_rate", "peak_infected", "events"].map(|name| metrics[name].clone())
}

#[test]
fn the_edges_are_certain() {
    let none = metrics(&[("population", 10.into()), ("r0", 0.0.into()), ("initial_infected", 3.into())]);
    assert_eq!(none, [Value::Int(0), Value::Float(0.0), Value::Int(3), Value::Int(3)]);
    let nobody_left = metrics(&[("population", 4.into()), ("initial_infected", 4.into())]);
    assert_eq!(nobody_left, [Value::Int(0), Value::Float(0.0), Value::Int(4), Value::Int(4)]);
    let everybody =
        metrics(&[("population", 50.into()), ("initial_infected", 10.into()), ("r0", 1e6.into())]);
    assert_eq!(everybody, [Value::Int(40), Value::Float(1.0), Value::Int(50), Value::Int(90)]);
}

#[test]
fn more_infected_than_people_is_a_domain_error() {
    let error =
        trial(&Epidemic, &[("population", 3.into()), ("initial_infected", 4.into())], 42, 0).unwrap_err();
    assert_eq!(error.code(), "too_many_infected");
}

mod statistical {
    use super::*;

    #[test]
    fn a_large_epidemic_has_the_exact_mean_and_minor_share() {
        let replicates = 40_000;
        let exact = exact(200, 1, 2.0, 201.0);
        let simulated = simulated(201, 1, 2.0, replicates);
        let squares: f64 = exact.iter().enumerate().map(|(size, p)| (size * size) as f64 * p).sum();
        let expected = mean(&exact);
        // 0.39 people.
        let error = ((squares - expected * expected) / f64::from(replicates)).sqrt();
        assert!((mean(&simulated) - expected).abs() < 3.0 * error, "{} is not {expected}", mean(&simulated));
        let minor = |sizes: &[f64]| sizes[..20].iter().sum::<f64>();
        // 0.0025.
        let error = (minor(&exact) * (1.0 - minor(&exact)) / f64::from(replicates)).sqrt();
        assert!((minor(&simulated) - minor(&exact)).abs() < 3.0 * error, "{}", minor(&simulated));
    }

    #[test]
    fn a_small_epidemic_has_the_exact_distribution() {
        let replicates = 40_000;
        for (size, (exact, simulated)) in
            exact(3, 2, 1.5, 5.0).into_iter().zip(simulated(5, 2, 1.5, replicates)).enumerate()
        {
            let error = (exact * (1.0 - exact) / f64::from(replicates)).sqrt();
            assert!(
                (simulated - exact).abs() < 3.0 * error,
                "{size}: {simulated} is not {exact} +- 3 x {error}"
            );
        }
    }
}
