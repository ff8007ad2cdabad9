//! The map compared with H3 itself, and its index with plain loops.

use std::collections::HashMap;

use h3o::{CellIndex, LatLng, Resolution};
use sweep_runtime::{Stream, Streams};

use super::*;
use crate::ridehail::space::Index;

const BERLIN: Bounds = Bounds { lat: [52.34, 52.68], lng: [13.08, 13.76] };

fn stream(purpose: u32) -> Stream {
    Streams::new(11, 0).stream(purpose, 0)
}

fn h3(map: &Map, cell: Hex) -> CellIndex {
    CellIndex::try_from(u64::try_from(map.public(cell)).unwrap()).unwrap()
}

#[test]
fn the_default_box_has_its_cells() {
    let map = Map::new(BERLIN).unwrap();
    assert_eq!(map.cells.len(), 18_556);
    let spacing: Vec<f64> = (0..1000)
        .map(|step| map.cells[step * 18])
        .flat_map(|cell| [(1, 0), (0, 1), (1, -1)].map(|offset| map.km(cell, cell.offset(offset).unwrap())))
        .collect();
    let mean = spacing.iter().sum::<f64>() / spacing.len() as f64;
    assert!((mean - 0.330).abs() < 0.0005, "{mean}");
}

#[test]
fn grid_distance_and_km_are_h3s() {
    let map = Map::new(BERLIN).unwrap();
    let mut stream = stream(0);
    for _ in 0..20_000 {
        let [one, other] = [map.arrival(&mut stream), map.arrival(&mut stream)];
        let [a, b] = [h3(&map, one), h3(&map, other)];
        assert_eq!(a.grid_distance(b).unwrap(), i32::try_from(one.distance(other)).unwrap());
        let km = LatLng::from(a).distance_km(LatLng::from(b));
        assert!((map.km(one, other) - km).abs() <= 1e-7 * km, "{km}");
    }
}

#[test]
fn the_cells_shares_fill_the_box() {
    // Areas from H3's own corners, for cells away from the border, compared with the map's weights.
    let map = Map::new(BERLIN).unwrap();
    let frame: f64 = map.cells.iter().step_by(97).map(|cell| area(h3(&map, *cell))).sum();
    let mean = frame / map.cells.iter().step_by(97).count() as f64;
    let whole = (BERLIN.lat[1] - BERLIN.lat[0]) * (BERLIN.lng[1] - BERLIN.lng[0]);
    let inner = map.cells.len() as f64 * mean;
    assert!((inner / whole - 1.0).abs() < 0.01, "{inner} {whole}");
}

fn area(cell: CellIndex) -> f64 {
    let corners: Vec<_> = cell.boundary().iter().map(|corner| (corner.lat(), corner.lng())).collect();
    let edges = corners.iter().zip(corners.iter().cycle().skip(1));
    edges.map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>().abs() / 2.0
}

#[test]
fn trips_have_the_length_that_they_are_known_for() {
    let map = Map::new(BERLIN).unwrap();
    let mut draws = stream(4);
    let (mut cells, mut km) = (0.0, 0.0);
    let count = 20_000;
    for _ in 0..count {
        let from = map.arrival(&mut draws);
        let to = map.destination(from, [5, 60], &mut draws).unwrap();
        cells += f64::from(from.distance(to)) / f64::from(count);
        km += map.km(from, to) / f64::from(count);
    }
    assert!((cells - 38.0).abs() < 1.0 && (km - 11.5).abs() < 0.3, "{cells} cells, {km} km");
}

#[test]
fn the_index_answers_as_a_plain_loop_does() {
    let map = Map::new(BERLIN).unwrap();
    let mut draws = stream(5);
    let mut index = Buckets::default();
    for count in [0, 1, 20, 100, 3_000] {
        index.clear(&map);
        let mut plain: Vec<Option<Hex>> = vec![];
        for id in 0..count {
            let at = map.arrival(&mut draws);
            index.insert(id, at);
            plain.push(Some(at));
        }
        for id in (0..count).step_by(3) {
            index.remove(id, plain[id as usize].take().unwrap());
        }
        for _ in 0..200 {
            let from = map.arrival(&mut draws);
            let known = || (0_u32..).zip(&plain).filter_map(|(id, at)| Some((id, (*at)?)));
            let nearest = known().map(|(_, at)| map.km(from, at)).min_by(f64::total_cmp);
            assert_eq!(index.nearest(&map, from), nearest);
            for radius in [0, 1, 10, 300] {
                let mut found = vec![];
                index.within(from, radius, |id, at| found.push((id, at)));
                found.sort_unstable();
                let expected: Vec<_> = known().filter(|(_, at)| from.distance(*at) <= radius).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn an_invalid_box_is_refused() {
    let code = |lat, lng| Map::new(Bounds { lat, lng }).err().map(|error| error.code().to_owned());
    assert_eq!(code([52.34, 52.340_001], [13.08, 13.080_001]).as_deref(), Some("box_without_cells"));
    assert_eq!(code([-90.0, 90.0], [-180.0, 180.0]).as_deref(), Some("box_too_large"));
    assert_eq!(code([0.0, 1e-7], [-180.0, 180.0]).as_deref(), Some("map_not_planar"));
    // A pentagon of H3, in the Arctic ocean off Norway.
    let pentagon = LatLng::from(Resolution::Nine.pentagons().next().unwrap());
    let (lat, lng) = (pentagon.lat(), pentagon.lng());
    assert_eq!(code([lat - 0.05, lat + 0.05], [lng - 0.05, lng + 0.05]).as_deref(), Some("map_not_planar"));
}

#[test]
fn other_cities_have_maps_too() {
    for (lat, lng) in
        [(40.7, -74.0), (-33.9, 151.2), (1.35, 103.8), (64.1, -21.9), (0.0, 179.95), (30.0, -179.95)]
    {
        let map = Map::new(Bounds { lat: [lat - 0.05, lat + 0.05], lng: [lng - 0.05, lng + 0.05] }).unwrap();
        assert!(map.cells.len() > 300, "{lat} {lng}");
    }
}

mod statistical {
    use super::*;

    #[test]
    fn arrivals_are_uniform_over_the_box_and_snapped() {
        let map = Map::new(BERLIN).unwrap();
        let draws = 200_000;
        let slots: HashMap<i64, usize> = map.numbers.iter().copied().zip(0..).collect();
        let (mut points, mut cells) = (stream(1), stream(2));
        // Counts in blocks of 25 by 25 cells, with H3's own snapping and with the map's: a two-sample
        // chi-square test.
        let mut counts = vec![[0.0_f64; 2]; 100];
        let mut border = [0_u32; 2];
        for _ in 0..draws {
            let lat = BERLIN.lat[0] + points.uniform() * (BERLIN.lat[1] - BERLIN.lat[0]);
            let lng = BERLIN.lng[0] + points.uniform() * (BERLIN.lng[1] - BERLIN.lng[0]);
            let number = LatLng::new(lat, lng).unwrap().to_cell(Resolution::Nine);
            let slot = slots[&i64::try_from(u64::from(number)).unwrap()];
            let own = map.slot(map.arrival(&mut cells));
            for (sample, slot) in [slot, own].into_iter().enumerate() {
                counts[(slot % map.width) / 25 * 10 + slot / map.width / 25][sample] += 1.0;
                border[sample] += u32::from(!map.inside[slot]);
            }
        }
        let used = counts.iter().filter(|[a, b]| a + b > 20.0);
        let (bins, squares) =
            used.fold((0.0, 0.0), |(bins, sum), [a, b]| (bins + 1.0, sum + (a - b) * (a - b) / (a + b)));
        let standard = (squares - (bins - 1.0)) / f64::sqrt(2.0 * (bins - 1.0));
        assert!(standard.abs() < 3.5, "chi-square {squares} over {bins} bins");
        let difference = f64::from(border[0]) - f64::from(border[1]);
        assert!(difference.abs() < 3.5 * f64::from(border[0] + border[1]).sqrt(), "{border:?}");
    }

    #[test]
    fn destinations_are_uniform_among_those_that_fit() {
        let map = Map::new(BERLIN).unwrap();
        let mut draws = stream(3);
        let corner = map.cells[0];
        for cells in [[5, 60], [0, 0], [3, 4], [40, 500]] {
            let fitting =
                map.cells.iter().filter(|cell| (cells[0]..=cells[1]).contains(&corner.distance(**cell)));
            let fitting: Vec<Hex> = fitting.copied().collect();
            let count = 20_000;
            let mut mean = 0.0;
            for _ in 0..count {
                let cell = map.destination(corner, cells, &mut draws).unwrap();
                assert!(map.has(cell) && (cells[0]..=cells[1]).contains(&corner.distance(cell)));
                mean += f64::from(corner.distance(cell)) / f64::from(count);
            }
            let distances = || fitting.iter().map(|cell| f64::from(corner.distance(*cell)));
            let expected = distances().sum::<f64>() / fitting.len() as f64;
            let variance = distances().map(|cell| (cell - expected) * (cell - expected)).sum::<f64>()
                / fitting.len() as f64;
            assert!(
                (mean - expected).abs() <= 3.5 * (variance / f64::from(count)).sqrt() + 1e-9,
                "{mean} {expected}"
            );
        }
        assert_eq!(map.destination(corner, [1_000, 2_000], &mut draws), None);
    }
}
