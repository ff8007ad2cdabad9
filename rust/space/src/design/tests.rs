use super::*;

fn integers(count: i64) -> Axis {
    Axis::list((0..count).map(Value::Int).collect()).unwrap()
}

fn cell(design: &Design, cell: u64) -> Vec<ValueRef<'_>> {
    let mut values = vec![];
    design.decode(cell, |dimension, value| values.push((dimension, value)));
    values.sort_by_key(|(dimension, _)| *dimension);
    values.into_iter().map(|(_, value)| value).collect()
}

fn ints(values: &[i64]) -> Vec<ValueRef<'static>> {
    values.iter().copied().map(ValueRef::Int).collect()
}

#[test]
fn a_grid_counts_like_nested_loops() {
    let grid = Design::grid(vec![integers(2), integers(3), integers(4)]).unwrap();
    let mut next = 0;
    for a in 0..2 {
        for b in 0..3 {
            for c in 0..4 {
                assert_eq!(cell(&grid, next), ints(&[a, b, c]));
                next += 1;
            }
        }
    }
    assert_eq!(next, grid.cells());
}

#[test]
fn a_grid_without_dimensions_is_one_cell() {
    let grid = Design::grid(vec![]).unwrap();
    assert_eq!((grid.cells(), cell(&grid, 0)), (1, vec![]));
}

#[test]
fn the_largest_grid_is_exact() {
    // 2^63 - 1 = 7 * 7 * 73 * 127 * 337 * 92737 * 649657
    let lengths = [7, 7, 73, 127, 337, 92_737, 649_657];
    let grid = Design::grid(lengths.map(integers).to_vec()).unwrap();
    assert_eq!(grid.cells(), i64::MAX.unsigned_abs());
    assert_eq!(cell(&grid, grid.cells() - 1), ints(&lengths.map(|length| length - 1)));
    assert_eq!(Design::grid(vec![integers(1 << 16); 4]).unwrap_err(), TOO_LARGE);
    assert_eq!(
        Design::grid(vec![integers(1 << 21), integers(1 << 21), integers(1 << 21)]).unwrap_err(),
        TOO_LARGE
    );
}

#[test]
fn a_zip_takes_its_axes_in_step() {
    let zip = Design::zip(vec![integers(3), Axis::linspace(0.0, 1.0, 3).unwrap()]).unwrap();
    assert_eq!(zip.cells(), 3);
    assert_eq!(cell(&zip, 1), [ValueRef::Int(1), ValueRef::Float(0.5)]);
    assert!(Design::zip(vec![]).is_err());
    assert!(Design::zip(vec![integers(3), integers(2)]).is_err());
}

#[test]
fn a_table_has_the_rows_that_it_was_given() {
    let values: Vec<_> = (0..6).map(Value::Int).collect();
    let table = Design::table(2, 10, values.clone(), 100).unwrap();
    assert_eq!((table.cells(), table.present()), (100, 10..13));
    assert_eq!(cell(&table, 11), ints(&[2, 3]));
    assert!(Design::table(2, 98, values.clone(), 100).is_err());
    assert!(Design::table(2, u64::MAX, values, u64::MAX).is_err());
    assert!(Design::table(0, 0, vec![], 1).is_err());
}

#[test]
fn samples_are_bounded() {
    let unit = || vec![Distribution::uniform(0.0, 1.0).unwrap()];
    let most = i64::MAX.unsigned_abs();
    assert!(Design::random(most, unit(), 1).is_ok());
    assert!(Design::random(most + 1, unit(), 1).is_err());
    assert!(Design::sobol(most, unit(), None).is_ok());
    assert!(Design::latin_hypercube(1 << 52, unit(), 1).is_ok());
    assert!(Design::latin_hypercube((1 << 52) + 1, unit(), 1).is_err());
    for design in
        [Design::random(0, unit(), 1), Design::latin_hypercube(0, unit(), 1), Design::random(5, vec![], 1)]
    {
        assert!(design.is_err());
    }
    assert!(Design::sobol(1, vec![unit().remove(0); 256], None).is_ok());
    assert!(Design::sobol(1, vec![unit().remove(0); 257], None).is_err());
}

fn uniforms(count: usize) -> Vec<Distribution> {
    vec![Distribution::uniform(0.0, 1.0).unwrap(); count]
}

/// Places anywhere below a number, also at both ends.
fn anywhere(below: u64) -> impl Iterator<Item = u64> {
    let mut stream = crate::random::streams::Streams::new(20, 0).stream(0, 0);
    let last = i64::try_from(below - 1).unwrap();
    [0, below - 1].into_iter().chain((0..10_000).map(move |_| stream.integer(0..=last).unsigned_abs()))
}

fn bits(values: &[ValueRef<'_>]) -> Vec<u64> {
    let float = |value: &ValueRef<'_>| match value {
        ValueRef::Float(float) => float.to_bits(),
        other => panic!("{other:?}"),
    };
    values.iter().map(float).collect()
}

#[test]
fn a_saltelli_block_swaps_single_columns_of_a_and_b() {
    let base_samples = 100_000_000_000;
    for second_order in [false, true] {
        for dimensions in [2, 3, 8] {
            let both = Design::sobol(base_samples, uniforms(2 * dimensions), Some(5.into())).unwrap();
            let saltelli = Design::saltelli(base_samples, second_order, uniforms(dimensions), 5).unwrap();
            let block = if second_order { 2 * dimensions + 2 } else { dimensions + 2 };
            assert_eq!(saltelli.cells(), base_samples * block as u64);
            for any in anywhere(saltelli.cells()) {
                let (base, place) = (any / block as u64, usize::try_from(any % block as u64).unwrap());
                let row = bits(&cell(&both, base));
                let (a, b) = row.split_at(dimensions);
                let (mut expected, other) =
                    if place <= dimensions { (a.to_vec(), b) } else { (b.to_vec(), a) };
                let swapped = if place <= dimensions { place } else { place - dimensions };
                if swapped != 0 && place != block - 1 {
                    expected[swapped - 1] = other[swapped - 1];
                }
                if place == block - 1 {
                    expected = b.to_vec();
                }
                assert_eq!(bits(&cell(&saltelli, any)), expected, "{place} of {block}");
            }
        }
    }
}

#[test]
fn more_base_samples_or_trajectories_leave_the_first_cells_unchanged() {
    let unit = || uniforms(3);
    let pairs = [
        (Design::saltelli(3, true, unit(), 1), Design::saltelli(1 << 40, true, unit(), 1)),
        (Design::saltelli(3, false, unit(), 1), Design::saltelli(1 << 40, false, unit(), 1)),
        (Design::morris(3, 4, unit(), 1), Design::morris(1 << 40, 4, unit(), 1)),
    ];
    for (few, many) in pairs.map(|(few, many)| (few.unwrap(), many.unwrap())) {
        for any in 0..few.cells() {
            assert_eq!(bits(&cell(&few, any)), bits(&cell(&many, any)));
        }
    }
}

#[test]
fn a_cross_is_the_product_of_its_parts() {
    let axis = || Axis::linspace(0.0, 1.0, 7).unwrap();
    let parts = [
        Design::zip(vec![axis(), axis()]).unwrap(),
        Design::latin_hypercube(1_000_003, uniforms(3), 1).unwrap(),
        Design::grid(vec![]).unwrap(),
        Design::morris(999, 6, uniforms(4), SampleSeed::new(1, 1)).unwrap(),
        Design::table(1, 0, vec![Value::Int(1), Value::Int(2)], 2).unwrap(),
        Design::grid(vec![axis(), integers(3)]).unwrap(),
    ];
    let cross = Design::cross(parts.to_vec()).unwrap();
    assert_eq!(cross.cells(), parts.iter().map(Design::cells).product::<u64>());
    assert!(cross.cells() > 1_000_000_000_000);
    for any in anywhere(cross.cells()) {
        let mut rest = any;
        let mut expected = vec![];
        for part in parts.iter().rev() {
            expected.splice(0..0, cell(part, rest % part.cells()));
            rest /= part.cells();
        }
        assert_eq!(cell(&cross, any), expected);
    }
}

#[test]
fn samples_of_a_cross_have_numbers_of_their_own() {
    type Build = fn(SampleSeed) -> Result<Design, BrokenRule>;
    let kinds: [Build; 5] = [
        |seed| Design::random(64, uniforms(2), seed),
        |seed| Design::latin_hypercube(64, uniforms(2), seed),
        |seed| Design::sobol(64, uniforms(2), Some(seed)),
        |seed| Design::saltelli(16, false, uniforms(2), seed),
        |seed| Design::morris(32, 64, uniforms(2), seed),
    ];
    for build in kinds {
        let [alone, first, second] =
            [7.into(), SampleSeed::new(7, 0), SampleSeed::new(7, 1)].map(|seed| build(seed).unwrap());
        let all = |design| (0..64).map(|any| bits(&cell(design, any))).collect::<Vec<_>>();
        assert_eq!(all(&alone), all(&first));
        assert!(all(&first).iter().zip(all(&second)).filter(|(one, other)| *one == other).count() < 4);
    }
}

#[test]
fn a_part_of_a_cross_may_not_be_missing_or_make_it_too_large() {
    let table = |first| Design::table(1, first, vec![Value::Int(1)], 2).unwrap();
    let broken = |parts| Design::cross(parts).unwrap_err().to_string();
    assert_eq!(broken(vec![table(1), table(0)]), "a table in a cross needs all its rows");
    assert_eq!(broken(vec![Design::zip(vec![integers(2)]).unwrap()]), "a cross needs from 2 to 256 parts");
    let half = Design::random(1 << 32, uniforms(1), 1).unwrap();
    assert_eq!(Design::cross(vec![half.clone(), half]).unwrap_err(), TOO_LARGE);
}

#[test]
fn base_samples_levels_and_trajectories_are_bounded() {
    let most = i64::MAX.unsigned_abs();
    assert!(Design::saltelli(most / 4, false, uniforms(2), 1).is_ok());
    assert!(Design::morris(most / 3, 2, uniforms(2), 1).is_ok());
    assert!(Design::saltelli(1, true, uniforms(128), 1).is_ok());
    let normal = Distribution::normal(0.0, 1.0, Some(-1.0), None).unwrap();
    let refused = [
        (Design::saltelli(most / 4 + 1, false, uniforms(2), 1), "the design has more than"),
        (Design::saltelli(most, false, uniforms(2), 1), "the design has more than"),
        (Design::saltelli(0, false, uniforms(2), 1), "base_samples must be at least 1"),
        (Design::saltelli(1, false, uniforms(1), 1), "a saltelli design needs at least two"),
        (Design::saltelli(1, false, uniforms(129), 1), "a saltelli design has at most 128"),
        (Design::morris(most / 3 + 1, 2, uniforms(2), 1), "the design has more than"),
        (Design::morris(0, 2, uniforms(2), 1), "trajectories must be at least 1"),
        (Design::morris(1, 2, vec![], 1), "a sampled design needs a dimension"),
        (Design::morris(1, 3, uniforms(2), 1), "levels of a morris design must be even"),
        (Design::morris(1, 0, uniforms(2), 1), "levels of a morris design must be even"),
        (Design::morris(1, (1 << 52) + 2, uniforms(2), 1), "levels of a morris design must be even"),
        (Design::morris(1, 4, vec![normal], 1), "must have low and high"),
    ];
    for (design, rule) in refused {
        let broken = design.unwrap_err().to_string();
        assert!(broken.starts_with(rule), "{broken}");
    }
}
