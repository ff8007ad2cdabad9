//! The identities in tests/golden/, which were computed without this code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use serde_json::Value as Parsed;
use sweep_space::{
    Axis, Design, Distribution, Fingerprinter, Json, Points, Streams, Value, ValueRef, canonical,
    philox4x32_10,
};

fn golden(name: &str) -> Parsed {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn json(parsed: &Parsed) -> Json<'_> {
    match parsed {
        Parsed::Null => Json::Value(ValueRef::Null),
        Parsed::Bool(value) => Json::Value((*value).into()),
        Parsed::Number(number) if number.is_i64() => Json::Value(number.as_i64().unwrap().into()),
        Parsed::Number(number) => Json::Value(number.as_f64().unwrap().into()),
        Parsed::String(text) => Json::Value(text.as_str().into()),
        Parsed::Array(items) => Json::Array(items.iter().map(json).collect()),
        Parsed::Object(members) => {
            Json::Object(members.iter().map(|(key, member)| (key.as_str(), json(member))).collect())
        }
    }
}

fn int<T: TryFrom<u64, Error: std::fmt::Debug>>(parsed: &Parsed) -> T {
    parsed.as_u64().unwrap().try_into().unwrap()
}

fn words<const N: usize>(parsed: &Parsed) -> [u32; N] {
    std::array::from_fn(|place| int(&parsed[place]))
}

#[test]
fn canonical_json() {
    for vector in golden("canonical.json").as_array().unwrap() {
        let input: Parsed = serde_json::from_str(vector["input"].as_str().unwrap()).unwrap();
        assert_eq!(canonical(&json(&input)), vector["canonical"].as_str().unwrap());
    }
}

#[test]
fn points() {
    for spec in golden("points.json").as_array().unwrap() {
        let (model, version) = (spec["model"].as_str().unwrap(), spec["model_version"].as_str().unwrap());
        let fingerprinter = Fingerprinter::new(model, version, spec["seed"].as_i64().unwrap());
        for point in spec["points"].as_array().unwrap() {
            let text = canonical(&json(&point["parameters"]));
            assert_eq!(text, point["effective_parameters_json"].as_str().unwrap());
            let parameters = fingerprinter.parameters(text.as_bytes());
            assert_eq!(&parameters, point["parameter_fingerprint"].as_str().unwrap().as_bytes());
            let cell = fingerprinter.cell(text.as_bytes());
            let fingerprint = fingerprinter.point(&cell, int(&point["replicate"]));
            assert_eq!(&fingerprint, point["point_fingerprint"].as_str().unwrap().as_bytes());
        }
    }
}

#[test]
fn grids() {
    for spec in golden("points.json").as_array().unwrap() {
        // The parsed map is in byte order of its keys, as a grid's dimensions are.
        let dimensions: Vec<_> = spec["design"]["dimensions"].as_object().unwrap().iter().collect();
        let places = |count| Axis::list((0..count).map(Value::Int).collect()).unwrap();
        let axes = dimensions
            .iter()
            .map(|(_, values)| places(i64::try_from(values.as_array().unwrap().len()).unwrap()));
        let grid = Design::grid(axes.collect()).unwrap();
        let points = Points::new(grid.cells(), int(&spec["replications"])).unwrap();
        assert_eq!(points.total(), int::<u64>(&spec["total_points"]));
        for point in spec["points"].as_array().unwrap() {
            let (cell, replicate) = points.split(int(&point["point_index"]));
            assert_eq!(replicate, int::<u32>(&point["replicate"]));
            grid.decode(cell, |dimension, place| {
                let ValueRef::Int(place) = place else { panic!("{place:?}") };
                let (name, values) = dimensions[dimension];
                let (expected, found) =
                    (&point["parameters"][name], &values[usize::try_from(place).unwrap()]);
                // A float parameter may be written as an integer, and -0.0 is 0.0.
                assert!(
                    expected == found || expected.as_f64() == found.as_f64(),
                    "{name}: {found} != {expected}"
                );
            });
        }
    }
}

#[test]
fn philox() {
    let vectors = golden("philox.json");
    for vector in vectors["known_answers"].as_array().unwrap() {
        assert_eq!(philox4x32_10(words(&vector["counter"]), words(&vector["key"])), words(&vector["words"]));
    }
    for vector in vectors["streams"].as_array().unwrap() {
        let streams = Streams::new(vector["seed"].as_i64().unwrap(), int(&vector["replicate"]));
        let stream = streams.stream(int(&vector["purpose"]), int(&vector["entity"]));
        let (mut bits, mut uniforms) = (stream.clone(), stream);
        for expected in vector["bits"].as_array().unwrap() {
            assert_eq!(bits.bits(), int::<u64>(expected));
        }
        for expected in vector["uniforms"].as_array().unwrap() {
            assert_eq!(uniforms.uniform().to_bits(), expected.as_f64().unwrap().to_bits());
        }
    }
}

fn values(parsed: &Parsed) -> std::slice::Iter<'_, Parsed> {
    parsed.as_array().unwrap().iter()
}

fn assert_close(found: f64, expected: &Parsed) {
    // Another logarithm, and another form of the same approximation.
    assert!((found / expected.as_f64().unwrap() - 1.0).abs() < 1e-14, "{found} is not {expected}");
}

#[test]
fn distributions() {
    for vector in values(&golden("distributions.json")) {
        let streams = Streams::new(vector["seed"].as_i64().unwrap(), int(&vector["replicate"]));
        let stream = || streams.stream(int(&vector["purpose"]), int(&vector["entity"]));
        let (mut exponentials, mut normals) = (stream(), stream());
        values(&vector["exponentials"])
            .for_each(|expected| assert_close(exponentials.exponential(1.0), expected));
        values(&vector["normals"]).for_each(|expected| assert_close(normals.normal(0.0, 1.0), expected));
        for poisson in values(&vector["poisson"]) {
            let (mean, mut stream) = (poisson["mean"].as_f64().unwrap(), stream());
            values(&poisson["values"]).for_each(|expected| assert_eq!(stream.poisson(mean), *expected));
        }
        for integers in values(&vector["integers"]) {
            let [low, high] = ["low", "high"].map(|end| integers[end].as_i64().unwrap());
            let mut stream = stream();
            values(&integers["values"])
                .for_each(|expected| assert_eq!(stream.integer(low..=high), *expected));
        }
        let mut order: Vec<i64> = (0..10).collect();
        stream().shuffle(&mut order);
        assert_eq!(vector["shuffle"], Parsed::from(order));
    }
}

#[test]
fn sobol() {
    for point in golden("sobol.json").as_array().unwrap() {
        let values = point["values"].as_array().unwrap();
        let unit = vec![Distribution::uniform(0.0, 1.0).unwrap(); values.len()];
        let design = Design::sobol(i64::MAX.unsigned_abs(), unit, None).unwrap();
        design.decode(int(&point["index"]), |dimension, found| {
            assert_eq!(
                found,
                ValueRef::Float(values[dimension].as_f64().unwrap()),
                "{dimension} of {}",
                point["index"]
            );
        });
    }
}
