//! Points whose metrics the parent already knows: their records are written without simulating them.

use std::ops::Range;

use serde::Deserialize;
use sweep_space::Value;

use crate::model::declaration::Column;
use crate::request::literal::Literal;
use crate::request::members::Members;
use crate::request::refusal::{Refusal, shortened};

/// One known point, as it is in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownPoint<'a> {
    point_index: u64,
    #[serde(borrow)]
    metrics: Members<Literal<'a>>,
}

/// All known points of a request, checked and ordered by index.
#[derive(Debug, Default)]
pub(crate) struct Known {
    indices: Vec<u64>,
    /// `width` values for each index: one per metric, in byte order of their names.
    values: Vec<Value>,
    width: usize,
}

impl Known {
    /// Checks the known points of a request against the `metrics`, in byte order of their names, and its
    /// point range.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn new(
        given: Vec<KnownPoint<'_>>,
        metrics: &[Column],
        points: &Range<u64>,
    ) -> Result<Self, Refusal> {
        let mut known = Self { width: metrics.len(), ..Self::default() };
        for (place, KnownPoint { point_index, metrics: members }) in given.into_iter().enumerate() {
            let refuse = |problem: String| Refusal::bad_request(format!("known[{place}]{problem}"));
            if !points.contains(&point_index) {
                let Range { start, end } = points;
                return Err(refuse(format!(
                    ".point_index = {point_index}: must be from {start} to below {end}"
                )));
            }
            if known.indices.last().is_some_and(|last| *last >= point_index) {
                return Err(refuse(format!(".point_index = {point_index}: must be above the previous one")));
            }
            known.indices.push(point_index);
            take(&mut known.values, members.0, metrics)
                .map_err(|problem| refuse(format!(".metrics: {problem}")))?;
        }
        Ok(known)
    }

    /// The metrics of a point, if they are known.
    pub(crate) fn metrics_of(&self, point: u64) -> Option<&[Value]> {
        let place = self.indices.binary_search(&point).ok()?;
        Some(&self.values[place * self.width..(place + 1) * self.width])
    }
}

/// Appends one point's values; both `members` and `metrics` are in byte order of their names.
fn take(
    values: &mut Vec<Value>,
    members: Vec<(String, Literal<'_>)>,
    metrics: &[Column],
) -> Result<(), String> {
    if let Some((name, _)) = members.iter().find(|(name, _)| metrics.iter().all(|metric| metric.name != name))
    {
        return Err(format!("unknown metric {:?}", shortened(name, 100)));
    }
    let mut members = members.into_iter();
    for metric in metrics {
        // Names are distinct and each is a metric's, so the first difference is a missing metric.
        let Some((_, literal)) = members.next().filter(|(name, _)| name == metric.name) else {
            return Err(format!("{} is missing", metric.name));
        };
        values.push(literal.metric_of(metric)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"[{"point_index":3,"metrics":{"wait":0.5,"served":2,"note":null}},
                           {"point_index":7,"metrics":{"note":"é","served":-1,"wait":5}}]"#;

    fn known(text: &str) -> Result<Known, Refusal> {
        let metrics = [Column::string("note").nullable(), Column::int("served"), Column::float("wait")];
        let given = serde_json::from_str::<Vec<KnownPoint>>(text);
        Known::new(given.map_err(|error| Refusal::bad_request(error.to_string()))?, &metrics, &(3..8))
    }

    #[test]
    fn a_known_point_is_found_and_no_other() {
        let known = known(GOOD).unwrap();
        assert_eq!(known.metrics_of(3).unwrap(), [Value::Null, Value::Int(2), Value::Float(0.5)]);
        assert_eq!(
            known.metrics_of(7).unwrap(),
            [Value::Text("é".into()), Value::Int(-1), Value::Float(5.0)]
        );
        assert_eq!(known.metrics_of(4), None);
        assert_eq!(Known::default().metrics_of(0), None);
    }

    #[test]
    fn a_broken_rule_is_reported_with_its_place() {
        let cases = [
            (
                r#""point_index":3"#,
                r#""point_index":2"#,
                "known[0].point_index = 2: must be from 3 to below 8",
            ),
            (
                r#""point_index":7"#,
                r#""point_index":8"#,
                "known[1].point_index = 8: must be from 3 to below 8",
            ),
            (r#""point_index":7"#, r#""point_index":3"#, "known[1].point_index = 3: must be above"),
            (r#""point_index":3"#, r#""point_index":3.0"#, "3.0"),
            (r#""point_index":3"#, r#""point_index":3,"status":"success""#, "unknown field `status`"),
            (r#""wait":0.5"#, r#""wait":true"#, "known[0].metrics: wait = true: must be a number"),
            (r#""wait":0.5"#, r#""wait":null"#, "known[0].metrics: wait = null: must be a number"),
            (r#""wait":0.5"#, r#""wait":1e400"#, "known[0].metrics: wait = 1e400: must be a finite number"),
            (r#""served":2"#, r#""served":2.0"#, "known[0].metrics: served = 2.0: must be an integer"),
            (r#","note":null"#, "", "known[0].metrics: note is missing"),
            (r#""wait":0.5,"#, "", "known[0].metrics: wait is missing"),
            (r#""wait":0.5"#, r#""wait":0.5,"wait":0.5"#, "duplicate field `wait`"),
            (r#""wait":0.5"#, r#""wait":0.5,"more":1"#, "known[0].metrics: unknown metric \"more\""),
        ];
        for (from, to, problem) in cases {
            assert!(GOOD.contains(from));
            let message = known(&GOOD.replacen(from, to, 1)).unwrap_err().message;
            assert!(message.contains(problem), "{message:?} does not say {problem:?}");
        }
    }
}
