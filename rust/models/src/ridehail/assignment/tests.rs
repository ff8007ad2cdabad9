//! Assignments compared with brute force and with each other.

use std::collections::{HashMap, HashSet};

use sweep_runtime::{Stream, Streams};

use super::components::{Link, Part};
use super::*;

/// Random edges between `riders` and `drivers`, each present with a given probability. Costs repeat often.
fn instance(stream: &mut Stream, riders: u32, drivers: u32, density: f64, costs: u64) -> Vec<Edge> {
    let mut edges = vec![];
    for rider in 0..riders {
        for driver in 0..drivers {
            if stream.uniform() < density {
                let cost = i64::try_from(stream.bits() % costs).unwrap();
                edges.push(Edge { rider: rider * 3 + 1, driver: driver * 2, cost });
            }
        }
    }
    edges
}

/// The most matches and their least cost, over all ways to match.
fn brute(edges: &[Edge], taken: &mut HashSet<u32>) -> (i64, i64) {
    let Some(first) = edges.first() else { return (0, 0) };
    let (reach, rest) = edges.split_at(edges.iter().take_while(|edge| edge.rider == first.rider).count());
    let mut best = brute(rest, taken);
    for edge in reach {
        if taken.insert(edge.driver) {
            let (matches, cost) = brute(rest, taken);
            best = best.min((matches - 1, cost + edge.cost));
            taken.remove(&edge.driver);
        }
    }
    best
}

/// Minus the number of matches, and their cost. Checks that no one is matched twice, and that matches are
/// edges.
fn value(edges: &[Edge], matches: &[Match]) -> (i64, i64) {
    let costs: HashMap<_, _> = edges.iter().map(|edge| ((edge.rider, edge.driver), edge.cost)).collect();
    let (mut riders, mut drivers) = (HashSet::new(), HashSet::new());
    let mut total = (0, 0);
    for found in matches {
        assert!(riders.insert(found.rider) && drivers.insert(found.driver), "{found:?}");
        total = (total.0 - 1, total.1 + costs[&(found.rider, found.driver)]);
    }
    total
}

fn stream(entity: u32) -> Stream {
    Streams::new(5, 0).stream(0, entity)
}

#[test]
fn hungarian_is_the_best_of_all() {
    let mut assignment = Assignment::default();
    let mut draws = stream(0);
    for number in 0..1_000_u32 {
        let (riders, drivers) = (1 + number % 8, 1 + number / 8 % 8);
        let density = 0.1 + 0.9 * draws.uniform();
        let mut edges =
            instance(&mut draws, riders, drivers, density, if number % 2 == 0 { 10 } else { 1_000_000_000 });
        let expected = brute(&edges, &mut HashSet::new());
        let matches = assignment.solve(Algorithm::Hungarian, &mut edges).to_vec();
        assert_eq!(value(&edges, &matches), expected, "{edges:?}");
    }
}

#[test]
fn sparse_and_dense_agree_with_each_other_and_with_brute_force() {
    let (mut dense, mut sparse) = (Dense::default(), Sparse::default());
    let mut draws = stream(1);
    for number in 0..1_200_u32 {
        let (riders, drivers) = if number < 1_000 {
            (1 + number % 8, 1 + number / 8 % 8)
        } else {
            (number % 90 + 1, number % 70 + 1)
        };
        let density = 0.03 + 0.9 * draws.uniform() * draws.uniform();
        let mut edges =
            instance(&mut draws, riders, drivers, density, if number % 2 == 0 { 10 } else { 1_000_000_000 });
        edges.sort_unstable();
        let mut components = Components::default();
        components.split(&edges);
        for part in components.parts() {
            let named: Vec<Edge> = part.edges.iter().map(edge_of).collect();
            let [one, other] = [dense.solve(&part).to_vec(), sparse.solve(&part).to_vec()].map(|pairs| {
                value(
                    &named,
                    &pairs
                        .iter()
                        .map(|(rider, driver)| Match { rider: *rider, driver: *driver })
                        .collect::<Vec<_>>(),
                )
            });
            assert_eq!(one, other);
            if number < 1_000 {
                assert_eq!(one, brute(&named, &mut HashSet::new()));
            }
        }
    }
}

fn edge_of(link: &Link) -> Edge {
    Edge { rider: link.row, driver: link.column, cost: link.cost }
}

#[test]
fn components_share_nobody_and_keep_every_edge() {
    let mut components = Components::default();
    let mut draws = stream(2);
    for _ in 0..200 {
        let edges = instance(&mut draws, 30, 30, 0.04, 100);
        components.split(&edges);
        let (mut riders, mut drivers) = (HashSet::new(), HashSet::new());
        let mut kept = vec![];
        for Part { riders: rows, drivers: columns, edges } in components.parts() {
            assert!(rows.is_sorted() && columns.is_sorted());
            assert!(rows.iter().all(|rider| riders.insert(*rider)));
            assert!(columns.iter().all(|driver| drivers.insert(*driver)));
            assert!(edges.is_sorted_by_key(|link| (link.row, link.column)));
            kept.extend(edges.iter().map(|link| Edge {
                rider: rows[link.row as usize],
                driver: columns[link.column as usize],
                cost: link.cost,
            }));
        }
        kept.sort_unstable();
        assert_eq!(kept, edges);
    }
}

#[test]
fn greedy_takes_each_driver_once_in_the_order_of_riders() {
    let edge = |rider, driver, cost| Edge { rider, driver, cost };
    let mut edges = [edge(1, 5, 10), edge(1, 9, 3), edge(2, 9, 1), edge(2, 5, 2), edge(3, 9, 1)];
    let mut assignment = Assignment::default();
    let pairs =
        |matches: &[Match]| matches.iter().map(|found| (found.rider, found.driver)).collect::<Vec<_>>();
    assert_eq!(pairs(assignment.solve(Algorithm::Simple, &mut edges)), [(1, 5), (2, 9)]);
    assert_eq!(pairs(assignment.solve(Algorithm::CostBased, &mut edges)), [(1, 9), (2, 5)]);
    assert_eq!(pairs(assignment.solve(Algorithm::Hungarian, &mut edges)), [(2, 5), (3, 9)].map(|pair| pair));
    let mut draws = stream(3);
    for _ in 0..300 {
        let mut edges = instance(&mut draws, 20, 15, 0.2, 100);
        for algorithm in [Algorithm::Simple, Algorithm::CostBased] {
            let matches = assignment.solve(algorithm, &mut edges).to_vec();
            let (count, _) = value(&edges, &matches);
            // No edge is left between two who are free.
            let free =
                |edge: &&Edge| matches.iter().all(|m| m.rider != edge.rider && m.driver != edge.driver);
            assert_eq!(edges.iter().find(free), None, "{count}");
        }
    }
}
