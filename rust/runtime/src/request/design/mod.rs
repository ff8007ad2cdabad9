//! The design of a request, parsed strictly and checked against the model's parameters. The whole design is
//! checked, so that every shard of a run gets the same refusal.

mod dimension;
mod table;

use sweep_space::{BrokenRule, Design, SampleSeed};

use crate::model::declaration::Parameter;
use crate::names::suggestion;
use crate::request::object::{Field, Object};
use crate::request::refusal::{Refusal, shortened};

/// A design, and the parameter of each of its dimensions.
pub(crate) struct Swept {
    pub(crate) design: Design,
    pub(crate) names: Vec<&'static str>,
}

const KINDS: &str = "must be one of \"grid\", \"zip\", \"random\", \"latin_hypercube\", \"sobol\", \"saltelli\", \
                     \"morris\", \"table\", \"cross\"; a part of a cross is no cross";

/// Of a Morris design, if the request has none.
const DEFAULT_LEVELS: u64 = 4;

/// Reads a design. Its samplers draw with `seed`.
///
/// # Errors
/// `bad_request` if it is not a valid design; `invalid_parameters` if it does not match the parameters.
pub(super) fn read(text: &str, parameters: &[Parameter], seed: i64) -> Result<Swept, Refusal> {
    let mut design = Object::parse("design".to_owned(), text)?;
    let kind = design.required("kind")?;
    if kind.string()? == "cross" {
        return crossed(design, parameters, seed);
    }
    part(design, &kind, parameters, seed.into())
}

/// Reads a design of any kind but a cross.
fn part(
    mut design: Object<'_>,
    kind: &Field<'_>,
    parameters: &[Parameter],
    seed: SampleSeed,
) -> Result<Swept, Refusal> {
    let swept = match kind.string()?.as_str() {
        "grid" => on_axes(&mut design, parameters, Design::grid),
        "zip" => on_axes(&mut design, parameters, Design::zip),
        "random" => {
            sampled(&mut design, parameters, |samples, dimensions| Design::random(samples, dimensions, seed))
        }
        "latin_hypercube" => sampled(&mut design, parameters, |samples, dimensions| {
            Design::latin_hypercube(samples, dimensions, seed)
        }),
        "sobol" => {
            let scramble = design.optional("scramble").map_or(Ok(true), |field| field.bool())?;
            sampled(&mut design, parameters, |samples, dimensions| {
                Design::sobol(samples, dimensions, scramble.then_some(seed))
            })
        }
        "saltelli" => saltelli(&mut design, parameters, seed),
        "morris" => morris(&mut design, parameters, seed),
        "table" => tabled(&mut design, parameters),
        _ => Err(kind.refuse(KINDS)),
    }?;
    design.end()?;
    Ok(swept)
}

fn crossed(mut design: Object<'_>, parameters: &[Parameter], seed: i64) -> Result<Swept, Refusal> {
    let parts = design.required("parts")?;
    let breaks = design.breaks();
    design.end()?;
    let (mut designs, mut names, mut samples) = (vec![], vec![], 0_u8);
    for (place, literal) in parts.list("")?.into_iter().enumerate() {
        let mut object = Object::parse(format!("{}.{place}", parts.path), literal.text())?;
        let kind = object.required("kind")?;
        let read = part(object, &kind, parameters, SampleSeed::new(seed, samples))?;
        if let Some(name) = read.names.iter().find(|name| names.contains(*name)) {
            let problem = format!("{}.{place}: {name} is varied by an earlier part, too", parts.path);
            return Err(Refusal::bad_request(problem));
        }
        // More samples than that are refused as too many parts.
        samples = samples.saturating_add(read.design.is_sampled().into());
        designs.push(read.design);
        names.extend(read.names);
    }
    Ok(Swept { design: Design::cross(designs).map_err(breaks)?, names })
}

fn on_axes(
    design: &mut Object<'_>,
    parameters: &[Parameter],
    build: fn(Vec<sweep_space::Axis>) -> Result<Design, BrokenRule>,
) -> Result<Swept, Refusal> {
    let (names, axes) = dimensions(design, parameters, dimension::axis)?;
    Ok(Swept { design: build(axes).map_err(design.breaks())?, names })
}

fn sampled(
    design: &mut Object<'_>,
    parameters: &[Parameter],
    build: impl Fn(u64, Vec<sweep_space::Distribution>) -> Result<Design, BrokenRule>,
) -> Result<Swept, Refusal> {
    let samples = design.required("samples")?.count()?;
    let (names, distributions) = dimensions(design, parameters, dimension::distribution)?;
    Ok(Swept { design: build(samples, distributions).map_err(design.breaks())?, names })
}

fn saltelli(design: &mut Object<'_>, parameters: &[Parameter], seed: SampleSeed) -> Result<Swept, Refusal> {
    let base_samples = design.required("base_samples")?.count()?;
    let second_order = design.optional("second_order").map_or(Ok(false), |field| field.bool())?;
    let (names, distributions) = dimensions(design, parameters, dimension::distribution)?;
    let saltelli = Design::saltelli(base_samples, second_order, distributions, seed);
    Ok(Swept { design: saltelli.map_err(design.breaks())?, names })
}

fn morris(design: &mut Object<'_>, parameters: &[Parameter], seed: SampleSeed) -> Result<Swept, Refusal> {
    let trajectories = design.required("trajectories")?.count()?;
    let levels = design.optional("levels").map_or(Ok(DEFAULT_LEVELS), |field| field.count())?;
    let (names, distributions) = dimensions(design, parameters, dimension::closed)?;
    let morris = Design::morris(trajectories, levels, distributions, seed);
    Ok(Swept { design: morris.map_err(design.breaks())?, names })
}

/// Reads each dimension and checks it against its parameter, in byte order of the names.
fn dimensions<'a, T>(
    design: &mut Object<'a>,
    parameters: &[Parameter],
    read: fn(&Parameter, Field<'a>) -> Result<T, Refusal>,
) -> Result<(Vec<&'static str>, Vec<T>), Refusal> {
    let (mut names, mut dimensions) = (vec![], vec![]);
    for (name, field) in design.required("dimensions")?.object()?.into_fields() {
        let parameter = find(parameters, &name)?;
        dimensions.push(read(parameter, field)?);
        names.push(parameter.name);
    }
    Ok((names, dimensions))
}

fn tabled(design: &mut Object<'_>, parameters: &[Parameter]) -> Result<Swept, Refusal> {
    let columns = columns(design, parameters)?;
    let names = columns.iter().map(|parameter| parameter.name).collect();
    Ok(Swept { design: table::read(design, &columns)?.map_err(design.breaks())?, names })
}

/// The parameters of a table's columns.
fn columns<'a>(design: &mut Object<'_>, parameters: &'a [Parameter]) -> Result<Vec<&'a Parameter>, Refusal> {
    let field = design.required("columns")?;
    let names = field.strings()?;
    if names.is_empty() {
        return Err(field.refuse("must name a parameter"));
    }
    if let Some(place) = (1..names.len()).find(|place| names[..*place].contains(&names[*place])) {
        return Err(field.refuse(&format!("{:?} is listed twice", names[place])));
    }
    names.iter().map(|name| find(parameters, name)).collect()
}

/// The parameter of this name.
///
/// # Errors
/// `invalid_parameters`, with a suggestion.
pub(super) fn find<'a>(parameters: &'a [Parameter], name: &str) -> Result<&'a Parameter, Refusal> {
    parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
        let suggestion = suggestion(name, parameters.iter().map(|parameter| parameter.name));
        let message = format!("unknown parameter {:?}; {suggestion}", shortened(name, 100));
        Refusal::invalid_parameter(name, message)
    })
}
