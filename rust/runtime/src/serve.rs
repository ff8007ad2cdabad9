//! The child's side of the model protocol (docs/model-protocol.md): serves one model, one point at a time.

use std::fs::File;
use std::io::{self, Write};
use std::thread;

use serde::Deserialize;
use sweep_space::{Streams, Value, write_int};

use crate::describe::hello;
use crate::model::declaration::{Declaration, Parameter};
use crate::model::guarded::Guarded;
use crate::model::output::Output;
use crate::model::{AnyModel, Parameters, Runner};
use crate::request::literal::Literal;
use crate::request::members::Members;
use crate::request::read_line;
use crate::run::panics;
use crate::run::record::{line, write_error};

/// One point, as the host asks for it. `random` is for models in other languages: a model in Rust draws the
/// same streams as in-process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    id: i64,
    #[serde(borrow)]
    parameters: Members<Literal<'a>>,
    seed: i64,
    replicate: u32,
    #[serde(rename = "random")]
    _random: [u32; 4],
    outputs: Vec<String>,
}

/// Answers requests until standard input ends.
///
/// # Errors
/// If a stream breaks, or a line is not a request for a point of this model.
pub(crate) fn serve(model: &'static dyn AnyModel, mut output: File) -> io::Result<()> {
    panics::one_line_each();
    output.write_all(&line(&hello(&model.declaration())))?;
    // On a thread, since points have a thread's stack in an engine, which is smaller than the main one.
    let points = thread::Builder::new().name("points".to_owned()).spawn(move || {
        let mut server = Server::new(model);
        let mut reply = Vec::new();
        loop {
            let line = read_line(&mut io::stdin().lock())?.map_err(|refusal| invalid(refusal.message))?;
            if line.is_empty() {
                return Ok(());
            }
            reply.clear();
            server.answer(&line, &mut reply).map_err(invalid)?;
            output.write_all(&reply)?;
        }
    })?;
    points.join().expect("a point's panic is caught")
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

struct Server {
    runner: Guarded<'static>,
    declaration: Declaration,
    /// The datasets that `output` has room for.
    outputs: Vec<String>,
    output: Output,
}

impl Server {
    fn new(model: &'static dyn AnyModel) -> Self {
        let declaration = model.declaration().ordered();
        let output = Output::new(&declaration.metrics, &[]);
        Self { runner: Guarded::new(model), declaration, outputs: vec![], output }
    }

    /// Appends the reply to a request.
    fn answer(&mut self, line: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let request: Request = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let values = values(&self.declaration.parameters, &request.parameters)?;
        let given: Vec<_> = values.iter().map(|(name, value)| (*name, value.borrow())).collect();
        if self.outputs != request.outputs {
            let datasets = self.declaration.datasets(&request.outputs);
            self.output = Output::new(&self.declaration.metrics, &datasets);
            self.outputs = request.outputs;
        }
        self.output.clear();
        let streams = Streams::new(request.seed, request.replicate);
        match self.runner.run(&Parameters(&given), &streams, &mut self.output) {
            Ok(()) => self.output.write_reply(request.id, reply),
            Err(error) => {
                reply.extend_from_slice(br#"{"id":"#);
                write_int(reply, request.id);
                reply.push(b',');
                write_error(reply, error.code(), error.message());
                self.output.write_kept(reply);
                reply.push(b'}');
            }
        }
        reply.push(b'\n');
        Ok(())
    }
}

/// The value of every parameter; both are in byte order of their names.
fn values(
    parameters: &[Parameter],
    given: &Members<Literal<'_>>,
) -> Result<Vec<(&'static str, Value)>, String> {
    let names = given.0.iter().map(|(name, _)| name.as_str());
    if !names.eq(parameters.iter().map(|parameter| parameter.name)) {
        return Err("a request must give every parameter, and no other".to_owned());
    }
    let value = |(parameter, (_, literal)): (&Parameter, &(String, Literal))| {
        Ok((parameter.name, literal.written(parameter.kind, parameter.nullable)?))
    };
    parameters.iter().zip(&given.0).map(value).collect()
}
