//! Check 10: assignments, up to a size that `SciPy` also solves quickly.

use crate::ridehail::assignment::{Assignment, Edge};

use super::*;

#[test]
#[ignore = "make validate"]
fn validate_10_assignment() {
    // Thousand instances up to 200 x 200, with a tenth of the edges to all of them; tools/validate.py has
    // SciPy solve the same ones.
    let mut assignment = Assignment::default();
    let lines: Vec<String> = (1..=1_000_u64)
        .map(|instance| {
            let side = |salt: u64| u32::try_from(1 + mix(instance * 8 + salt) % 200).unwrap();
            let (rows, columns, tenths) = (side(0), side(1), 1 + mix(instance * 8 + 2) % 10);
            let mut edges = vec![];
            for (rider, driver) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let draw = mix((instance << 32) + (u64::from(rider) << 16) + u64::from(driver));
                if draw % 10 < tenths {
                    edges.push(Edge { rider, driver, cost: i64::try_from(draw / 10 % 1_000_000).unwrap() });
                }
            }
            let matches = assignment.solve(Algorithm::Hungarian, &mut edges);
            let cost = |m: &crate::ridehail::assignment::Match| {
                let place =
                    edges.binary_search_by_key(&(m.rider, m.driver), |edge| (edge.rider, edge.driver));
                edges[place.unwrap()].cost
            };
            let total: i64 = matches.iter().map(cost).sum();
            format!("[{instance},{rows},{columns},{tenths},{},{total}]", matches.len())
        })
        .collect();
    println!("\n{{\"instances\":[{}]}}", lines.join(","));
}
