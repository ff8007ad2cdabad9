//! The plan: a request whose values have all been checked against its model, so that no point can be refused
//! later.

use std::ops::Range;
use std::time::Duration;

use sweep_space::{Design, Fingerprinter, Points, Value, ValueRef};

use crate::model::catalog::{Body, Catalog, Entry};
use crate::model::declaration::{Column, Dataset, Declaration, Parameter};
use crate::model::declared::GivenModel;
use crate::names::suggestion;
use crate::request::Request;
use crate::request::design::{self, Swept};
use crate::request::known::{Known, KnownPoint};
use crate::request::limits::Limits;
use crate::request::literal::Literal;
use crate::request::refusal::{Refusal, shortened};
use crate::request::rules::{Barred, Rules};
use crate::request::time::ShardTime;

/// How points are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In this process.
    Simulate,
    /// In child processes, which a point may take down.
    Host,
    /// Not at all: only identified.
    Identify,
}

/// What to run.
pub(crate) struct Plan {
    pub(crate) body: Body,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// In byte order of their names, like `metrics` and `datasets`.
    pub(crate) slots: Vec<Slot>,
    pub(crate) metrics: Vec<Column>,
    /// The requested datasets.
    pub(crate) datasets: Vec<Dataset>,
    pub(crate) fingerprinter: Fingerprinter,
    design: Design,
    /// The slot of each dimension of the design.
    swept: Vec<usize>,
    rules: Rules,
    /// Maps a point to its cell and replicate.
    pub(crate) numbering: Points,
    pub(crate) seed: i64,
    pub(crate) points: Range<u64>,
    pub(crate) threads: usize,
    pub(crate) known: Known,
    /// Of each point; none unless it is run in a child.
    pub(crate) limits: Limits,
    pub(crate) time: Option<ShardTime>,
    /// After how much silence to report the point that has been running longest.
    pub(crate) report: Option<Duration>,
    /// Whether to write the files that a program keeps of its points.
    pub(crate) keep: bool,
    /// Whether points are written in columns.
    pub(crate) columns: bool,
}

/// A parameter with its value, which is null if the design sets it.
pub(crate) struct Slot {
    pub(crate) parameter: Parameter,
    fixed: Value,
}

#[cfg(test)]
impl Slot {
    pub(crate) fn of_default(parameter: Parameter) -> Self {
        let fixed = parameter.default.into_owned();
        Self { parameter, fixed }
    }
}

impl Plan {
    /// Checks a request. Problems with the design's values are found first, so that all shards of a run get
    /// the same refusal.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) fn new(models: &Catalog, mode: Mode, line: &[u8]) -> Result<Self, Refusal> {
        let request = Request::parse(line)?;
        let Entry { declaration, body } = match &request.declaration {
            Some(given) => declared(given, &request.model, mode)?,
            None => models.find(&request.model)?.clone(),
        };
        let declaration = declaration.ordered();
        let datasets = requested(&declaration, &request.outputs)?;
        let (threads, seed) = (request.threads(), request.seed);
        let Swept { design, names } = design::read(request.design.get(), &declaration.parameters, seed)?;
        let Declaration { name, version, parameters, metrics, .. } = declaration;
        let rules = Rules::new(request.derived.0, request.constraints, &parameters, &names)?;
        let slots = slots(parameters, &names, &rules, request.base.0)?;
        let points = request.start_index..request.end_index_exclusive;
        let numbering = numbered(&design, request.replications, &points)?;
        let known = known(request.known, mode, &datasets, &metrics, &points)?;
        let is_hosted = mode == Mode::Host || mode == Mode::Simulate && matches!(body, Body::Program(_));
        let time = ShardTime::of(request.time, is_hosted)?;
        let limits = Limits::of(request.limits, is_hosted)?.within(time);
        Ok(Self {
            body,
            name,
            version,
            swept: places(&names, &slots),
            slots,
            metrics,
            columns: columns(request.columns, mode, &datasets, request.keep)?,
            datasets,
            fingerprinter: Fingerprinter::new(name, version, seed),
            design,
            rules,
            numbering,
            seed,
            points,
            threads,
            known,
            limits,
            time,
            report: report(request.report_seconds, time),
            keep: request.keep,
        })
    }

    /// Puts the parameters of a cell into `values`, in byte order of their names. Returns why its points are not run,
    /// if they are not.
    pub(crate) fn fill<'a>(
        &'a self,
        cell: u64,
        values: &mut Vec<(&'static str, ValueRef<'a>)>,
    ) -> Option<Barred<'a>> {
        values.clear();
        values.extend(self.slots.iter().map(|slot| (slot.parameter.name, slot.fixed.borrow())));
        self.design.decode(cell, |dimension, value| values[self.swept[dimension]].1 = value);
        self.rules.apply(&self.slots, values)
    }
}

/// The places of the swept parameters among all.
fn places(names: &[&str], slots: &[Slot]) -> Vec<usize> {
    let place =
        |name: &&str| slots.iter().position(|slot| slot.parameter.name == *name).expect("a parameter");
    names.iter().map(place).collect()
}

/// After how much silence to report, if that is wanted.
fn report(wanted: Option<f64>, time: Option<ShardTime>) -> Option<Duration> {
    let wanted = Duration::from_secs_f64(wanted?);
    Some(time.map_or(wanted, |time| wanted.min(time.report())))
}

/// The known points, where a request may have some.
fn known(
    given: Option<Vec<KnownPoint<'_>>>,
    mode: Mode,
    datasets: &[Dataset],
    metrics: &[Column],
    points: &Range<u64>,
) -> Result<Known, Refusal> {
    match given {
        Some(_) if mode == Mode::Identify => Err(Refusal::bad_request("known: allowed for `run` only")),
        Some(_) if !datasets.is_empty() => {
            Err(Refusal::bad_request("known: cannot be combined with outputs, whose rows are not known"))
        }
        given => Known::new(given.unwrap_or_default(), metrics, points),
    }
}

/// Whether points are written in columns, where a request may ask for that. Identities are lines in any case, so that
/// the request of a run serves to identify its points.
fn columns(wanted: bool, mode: Mode, datasets: &[Dataset], keep: bool) -> Result<bool, Refusal> {
    if wanted && (keep || !datasets.is_empty()) {
        return Err(Refusal::bad_request("columns: cannot be combined with outputs or keep"));
    }
    Ok(wanted && mode != Mode::Identify)
}

/// Numbers the points of a design. Refuses those that it does not have, and those whose cells are not in the request.
fn numbered(design: &Design, replications: u64, points: &Range<u64>) -> Result<Points, Refusal> {
    let numbering = Points::new(design.cells(), replications);
    let numbering = numbering.map_err(|rule| Refusal::bad_request(rule.to_string()))?;
    let (Range { start, end }, total) = (points, numbering.total());
    if points.is_empty() || points.end > total {
        let rule = "must be 0 <= start_index < end_index_exclusive <= the design's cells times replications";
        return Err(Refusal::bad_request(format!("points {start} to {end} of {total}: {rule}")));
    }
    let (first, last) = (numbering.split(points.start).0, numbering.split(points.end - 1).0);
    let present = design.present();
    if first < present.start || last >= present.end {
        let message = format!(
            "design.rows: rows {} to {} are given, and points {start} to {end} need rows {first} to {}",
            present.start,
            present.end,
            last + 1
        );
        return Err(Refusal::bad_request(message));
    }
    Ok(numbering)
}

/// The model that the request declares itself, so that any engine can identify its points.
fn declared(given: &GivenModel<'_>, name: &str, mode: Mode) -> Result<Entry, Refusal> {
    if mode != Mode::Identify {
        return Err(Refusal::bad_request("declaration: allowed for `points` only"));
    }
    let declaration =
        given.declaration().map_err(|problem| Refusal::bad_request(format!("declaration: {problem}")))?;
    if declaration.name != name {
        return Err(Refusal::bad_request("declaration: must be of the request's model"));
    }
    Ok(Entry { declaration, body: Body::Absent })
}

fn requested(declaration: &Declaration, outputs: &[String]) -> Result<Vec<Dataset>, Refusal> {
    let known = declaration.datasets.iter().map(|dataset| dataset.name);
    for (place, output) in outputs.iter().enumerate() {
        if !known.clone().any(|name| name == output) {
            let suggestion = suggestion(output, known);
            let output = shortened(output, 100);
            return Err(Refusal::invalid(&format!("outputs: unknown dataset {output:?}; {suggestion}")));
        }
        if outputs[..place].contains(output) {
            return Err(Refusal::bad_request(format!("outputs: {output:?} is listed twice")));
        }
    }
    Ok(declaration.datasets(outputs))
}

/// Sets every parameter to its base value or its default, or leaves it to the design or the rules.
fn slots(
    parameters: Vec<Parameter>,
    swept: &[&str],
    rules: &Rules,
    mut base: Vec<(String, Literal<'_>)>,
) -> Result<Vec<Slot>, Refusal> {
    for (name, _) in &base {
        let name = design::find(&parameters, name)?.name;
        if swept.contains(&name) {
            let message = format!("{name} is both a dimension and a base value");
            return Err(Refusal::invalid_parameter(name, message));
        }
        if rules.derived().any(|place| parameters[place].name == name) {
            let message = format!("{name} is both a base value and derived");
            return Err(Refusal::invalid_parameter(name, message));
        }
    }
    let slot = |parameter: Parameter| {
        let fixed = match take(&mut base, parameter.name) {
            Some(literal) => literal.value_of(&parameter),
            None if swept.contains(&parameter.name) => Ok(Value::Null),
            None => Ok(parameter.default.into_owned()),
        };
        let fixed = fixed.map_err(|problem| Refusal::invalid_parameter(parameter.name, problem))?;
        Ok(Slot { parameter, fixed })
    };
    parameters.into_iter().map(slot).collect()
}

fn take<T>(members: &mut Vec<(String, T)>, name: &str) -> Option<T> {
    let place = members.iter().position(|(known, _)| known == name)?;
    Some(members.swap_remove(place).1)
}
