//! The plan: a request whose every value was checked against its model, so that no point can be refused any more.

use std::ops::Range;

use sweep_space::{Fingerprinter, Grid, GridError, Value, ValueRef};

use crate::declaration::{Column, Dataset, Declaration, Parameter};
use crate::literal::Literal;
use crate::model::AnyModel;
use crate::nearest::suggestion;
use crate::refusal::{Refusal, shortened};
use crate::request::{Dimensions, Request};

/// What to run.
pub(crate) struct Plan {
    pub(crate) model: &'static dyn AnyModel,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// In byte order of their names, like `metrics` and `datasets`.
    pub(crate) slots: Vec<Slot>,
    pub(crate) metrics: Vec<Column>,
    /// The datasets asked for.
    pub(crate) datasets: Vec<Dataset>,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) grid: Grid,
    pub(crate) seed: i64,
    pub(crate) points: Range<u64>,
    pub(crate) threads: usize,
}

/// A parameter, and where its value comes from.
pub(crate) struct Slot {
    pub(crate) parameter: Parameter,
    source: Source,
}

enum Source {
    Fixed(Value),
    Dimension(Vec<Value>),
}

impl Plan {
    /// Checks a request. What is wrong with the design's values is found first, so that all shards of a run are told
    /// the same.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) fn new(models: &'static [&'static dyn AnyModel], line: &[u8]) -> Result<Self, Refusal> {
        let (request, dimensions) = Request::parse(line)?;
        let (model, declaration) = find(models, &request.model)?;
        let lengths = dimensions.iter().map(|(_, values)| values.len() as u64).collect();
        let empty =
            |place: usize| format!("dimension {:?} has no values", shortened(&dimensions[place].0, 100));
        let grid = Grid::new(lengths, request.replications);
        if let Err(GridError::Empty(place)) = grid {
            return Err(Refusal::bad_request(empty(place)));
        }
        let datasets = requested(&declaration, &request.outputs)?;
        let threads = request.threads();
        let points = request.start_index..request.end_index_exclusive;
        let seed = request.seed;
        let slots = slots(declaration.parameters, dimensions, request.base.0)?;
        let grid = grid.map_err(|error| Refusal::bad_request(error.to_string()))?;
        if points.is_empty() || points.end > grid.total() {
            let (Range { start, end }, total) = (points, grid.total());
            let rule =
                "must be 0 <= start_index < end_index_exclusive <= the design's points times replications";
            return Err(Refusal::bad_request(format!("points {start} to {end} of {total}: {rule}")));
        }
        let Declaration { name, version, mut metrics, .. } = declaration;
        metrics.sort_by_key(|metric| metric.name);
        let fingerprinter = Fingerprinter::new(name, version, seed);
        Ok(Self {
            model,
            name,
            version,
            slots,
            metrics,
            datasets,
            fingerprinter,
            grid,
            seed,
            points,
            threads,
        })
    }

    /// Puts the parameters of a cell into `values`, in byte order of their names.
    pub(crate) fn fill<'a>(&'a self, cell: u64, values: &mut Vec<(&'static str, ValueRef<'a>)>) {
        values.clear();
        values.extend(self.slots.iter().map(|slot| match &slot.source {
            Source::Fixed(value) => (slot.parameter.name, value.borrow()),
            Source::Dimension(_) => (slot.parameter.name, ValueRef::Null),
        }));
        let swept = self.slots.iter().zip(values).filter_map(|(slot, place)| match &slot.source {
            Source::Fixed(_) => None,
            Source::Dimension(list) => Some((list, place)),
        });
        let mut swept = swept.rev();
        self.grid.decode(cell, |_, digit| {
            let (list, place) = swept.next().expect("as many dimensions as the grid has");
            place.1 = list[digit].borrow();
        });
    }
}

fn find(
    models: &'static [&'static dyn AnyModel],
    name: &str,
) -> Result<(&'static dyn AnyModel, Declaration), Refusal> {
    let declarations: Vec<_> = models.iter().map(|model| model.declaration()).collect();
    if let Some(place) = declarations.iter().position(|declaration| declaration.name == name) {
        return Ok((models[place], declarations[place].clone()));
    }
    let known: Vec<_> = declarations.iter().map(|declaration| declaration.name).collect();
    let name = shortened(name, 100);
    Err(Refusal::unknown_model(format!("no model {name:?}; this engine has: {}", known.join(", "))))
}

fn requested(declaration: &Declaration, outputs: &[String]) -> Result<Vec<Dataset>, Refusal> {
    let known = declaration.datasets.iter().map(|dataset| dataset.name);
    for (place, output) in outputs.iter().enumerate() {
        if !known.clone().any(|name| name == output) {
            let suggestion = suggestion(output, known);
            let output = shortened(output, 100);
            return Err(Refusal::unknown_output(format!("outputs: no dataset {output:?}; {suggestion}")));
        }
        if outputs[..place].contains(output) {
            return Err(Refusal::bad_request(format!("outputs: {output:?} is there twice")));
        }
    }
    let mut datasets = declaration.datasets.clone();
    datasets.retain(|dataset| outputs.iter().any(|output| output == dataset.name));
    datasets.sort_by_key(|dataset| dataset.name);
    Ok(datasets)
}

/// Gives every parameter its source: a dimension, a base value, or its default.
fn slots(
    mut parameters: Vec<Parameter>,
    mut dimensions: Dimensions<'_>,
    mut base: Vec<(String, Literal<'_>)>,
) -> Result<Vec<Slot>, Refusal> {
    let known = || parameters.iter().map(|parameter| parameter.name);
    for name in dimensions.iter().map(|(name, _)| name).chain(base.iter().map(|(name, _)| name)) {
        if !known().any(|parameter| parameter == name) {
            let suggestion = suggestion(name, known());
            let message = format!("no parameter {:?}; {suggestion}", shortened(name, 100));
            return Err(Refusal::invalid_parameter(name, message));
        }
    }
    parameters.sort_by_key(|parameter| parameter.name);
    let slot = |parameter: Parameter| {
        let source =
            source(&parameter, take(&mut dimensions, parameter.name), take(&mut base, parameter.name));
        let source = source.map_err(|message| Refusal::invalid_parameter(parameter.name, message))?;
        Ok(Slot { parameter, source })
    };
    parameters.into_iter().map(slot).collect()
}

fn source(
    parameter: &Parameter,
    dimension: Option<Vec<Literal<'_>>>,
    base: Option<Literal<'_>>,
) -> Result<Source, String> {
    match (dimension, base) {
        (Some(_), Some(_)) => Err(format!("{} is both a dimension and a base value", parameter.name)),
        (Some(literals), None) => literals
            .into_iter()
            .map(|literal| literal.value_of(parameter))
            .collect::<Result<_, _>>()
            .map(Source::Dimension),
        (None, Some(literal)) => literal.value_of(parameter).map(Source::Fixed),
        (None, None) => Ok(Source::Fixed(parameter.default.into_owned())),
    }
}

fn take<T>(members: &mut Vec<(String, T)>, name: &str) -> Option<T> {
    let place = members.iter().position(|(known, _)| known == name)?;
    Some(members.swap_remove(place).1)
}
