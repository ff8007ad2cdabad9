//! Checks the models' declarations at start: an engine with an invalid one does not start.

use std::collections::HashSet;
use std::ops::Bound;

use sweep_space::ValueRef;

use crate::model::declaration::{Dataset, Declaration, Parameter, Type};
use crate::names::is_name;

/// Names of the columns that every table has. Declarations must not use them.
const IDENTITY: [&str; 15] = [
    "run_id",
    "shard_id",
    "point_index",
    "replicate",
    "seed",
    "model",
    "model_version",
    "parameter_fingerprint",
    "point_fingerprint",
    "effective_parameters_json",
    "status",
    "error_code",
    "error_message",
    "run",
    "run_date",
];

/// Names of the store's own folders. Datasets must not use them.
const RESERVED: [&str; 10] = [
    "runs",
    "shard_outcomes",
    "shard_attempts",
    "shard_claims",
    "effective_parameters",
    "point_outcomes",
    "kept_files",
    "partial",
    "rejected",
    "specs",
];

/// Checks an engine's version and all its models together.
///
/// # Errors
/// The problem of the version, or of the first invalid declaration.
pub(crate) fn validate(version: &str, models: &[Declaration]) -> Result<(), String> {
    validate_version(version).map_err(|problem| format!("the engine's {problem}"))?;
    if let Some((_, problem)) = names("model", "", models.iter().map(|model| model.name)).pop() {
        return Err(problem);
    }
    models.iter().try_for_each(validate_model)
}

/// Checks a version.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn validate_version(version: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    if version.is_empty() || version.len() > 64 || !version.bytes().all(plain) {
        return Err(format!("version {version:?} must match [A-Za-z0-9._+-]{{1,64}}"));
    }
    Ok(())
}

/// Checks one model.
///
/// # Errors
/// Its first problem.
pub(crate) fn validate_model(model: &Declaration) -> Result<(), String> {
    validate_version(model.version).map_err(|problem| format!("model {:?}: {problem}", model.name))?;
    problems(model).into_iter().next().map_or(Ok(()), |(place, problem)| {
        Err(if place == "name" { problem } else { format!("model {:?}: {problem}", model.name) })
    })
}

/// All problems of a model, besides its version's, each with the place of what has it, as a manifest names it:
/// `parameters.rate`, `datasets.rows.columns.at`.
pub(crate) fn problems(model: &Declaration) -> Vec<(String, String)> {
    let own_name = names("model", "", std::iter::once(model.name));
    let mut found: Vec<_> = own_name.into_iter().map(|(_, problem)| ("name".to_owned(), problem)).collect();
    found.extend(names("parameter", "parameters.", model.parameters.iter().map(|parameter| parameter.name)));
    for parameter in &model.parameters {
        let problem = validate_parameter(parameter).err();
        found.extend(problem.map(|problem| (format!("parameters.{}", parameter.name), problem)));
    }
    found.extend(names("metric", "metrics.", model.metrics.iter().map(|metric| metric.name)));
    found.extend(names("dataset", "datasets.", model.datasets.iter().map(|dataset| dataset.name)));
    for Dataset { name, columns, .. } in &model.datasets {
        let place = format!("datasets.{name}");
        if RESERVED.contains(name) {
            let problem = format!("dataset {name:?} has the name of one of the store's own folders");
            found.push((place.clone(), problem));
        }
        if columns.is_empty() {
            found.push((place.clone(), format!("dataset {name:?} has no columns")));
        }
        for column in columns.iter().filter(|column| column.headline) {
            let problem = format!("{} is not a metric: only metrics can be headlines", column.name);
            found.push((format!("{place}.columns.{}", column.name), problem));
        }
        let columns = columns.iter().map(|column| column.name);
        found.extend(names("column", &format!("{place}.columns."), columns));
    }
    found
}

fn names<'a>(what: &str, section: &str, names: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    let mut found = vec![];
    for name in names {
        let rule = if !is_name(name) {
            "must match [a-z][a-z0-9_]{0,62}"
        } else if IDENTITY.contains(&name) {
            "has the name of an identity column"
        } else if !seen.insert(name) {
            "is declared twice"
        } else {
            continue;
        };
        found.push((format!("{section}{name}"), format!("{what} {name:?} {rule}")));
    }
    found
}

fn validate_parameter(parameter: &Parameter) -> Result<(), String> {
    let Parameter { name, kind, default, .. } = parameter;
    let finite = |value| !matches!(value, ValueRef::Float(float) if !f64::is_finite(float));
    for bound in [parameter.lower, parameter.upper] {
        if let Bound::Included(bound) | Bound::Excluded(bound) = bound
            && !(matches!(kind, Type::Int | Type::Float) && Type::of(bound) == Some(*kind) && finite(bound))
        {
            return Err(format!("a bound of {name} must be a finite {}", kind.name()));
        }
    }
    if parameter.choices.is_some() && *kind != Type::String {
        return Err(format!("{name} has choices, which only a string can have"));
    }
    let choices = parameter.choices.unwrap_or_default();
    if let Some((spelling, _)) = parameter.spellings.iter().find(|(_, choice)| !choices.contains(choice)) {
        return Err(format!("{name} has a spelling {spelling:?} for a choice that it does not have"));
    }
    if !Type::of(*default).map_or(parameter.nullable, |given| given == *kind) {
        return Err(format!("the default of {name} must be a {}", kind.name()));
    }
    if !finite(*default) || !parameter.allows(*default) {
        return Err(format!("the default of {name} must be {}", parameter.range()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::declaration::Column;

    fn model() -> Declaration {
        Declaration::new("good", "1", "")
            .parameter(Parameter::float("rate", 0.5).above(0.0).at_most(1.0))
            .parameter(Parameter::int("count", 1).null_by_default())
            .metric(Column::float("rate"))
            .dataset(Dataset::new("rows", "").column(Column::int("number")))
    }

    #[test]
    fn a_valid_model_passes() {
        assert_eq!(validate("1", &[model()]), Ok(()));
    }

    #[test]
    fn an_invalid_engine_version_is_reported() {
        for version in ["", "1 2", &"1".repeat(65)] {
            assert!(validate(version, &[model()]).unwrap_err().starts_with("the engine's version"));
        }
    }

    #[test]
    fn an_invalid_model_is_reported() {
        let cases = [
            (model().parameter(Parameter::int("rate", 1)), "declared twice"),
            (model().parameter(Parameter::int("seed", 1)), "identity column"),
            (model().parameter(Parameter::int("Rate", 1)), "must match"),
            (model().parameter(Parameter::int("low", 0).at_least(1)), "the default of low must be >= 1"),
            (model().parameter(Parameter::float("bad", f64::NAN)), "the default of bad"),
            (
                model().parameter(Parameter::float("mixed", 1.0).at_least(1)),
                "a bound of mixed must be a finite float",
            ),
            (model().parameter(Parameter::string("other", "c").choices(&["a", "b"])), "one of \"a\", \"b\""),
            (model().parameter(Parameter::int("choice", 1).choices(&["a"])), "only a string"),
            (
                model().parameter(Parameter::string("s", "a").choices(&["a"]).spellings(&[("x", "b")])),
                "does not have",
            ),
            (model().metric(Column::float("status")), "identity column"),
            (model().dataset(Dataset::new("empty", "")), "no columns"),
            (model().dataset(Dataset::new("rows", "").column(Column::int("n"))), "declared twice"),
            (Declaration { version: "", ..model() }, "version"),
            (Declaration { name: "run", ..model() }, "identity column"),
        ];
        for (wrong, problem) in cases {
            let message = validate("1", &[wrong]).unwrap_err();
            assert!(message.contains(problem), "{message:?} does not say {problem:?}");
        }
        assert!(validate("1", &[model(), model()]).is_err());
    }
}
