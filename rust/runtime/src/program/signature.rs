//! What the signature of a Python function tells: the file is parsed, and not run.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::host::ask_once;
use crate::model::declaration::Type;
use crate::program::python_arguments;
use crate::run::record::line;

/// What reads a function's signature, in the user's interpreter.
const DECLARE: &str = include_str!("python_declare.py");

/// A function's parameters, and its metrics if its result has a declared type.
#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) doc: String,
    /// Whether it has a parameter `random`, which is none of the model's.
    pub(super) takes_random: bool,
    pub(super) parameters: Vec<SignatureParameter>,
    pub(super) metrics: Option<Vec<SignatureMetric>>,
}

#[derive(Deserialize)]
pub(super) struct SignatureParameter {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<Type>,
    pub(super) nullable: bool,
    pub(super) default: Box<RawValue>,
    pub(super) has_default: bool,
    pub(super) choices: Option<Vec<String>>,
    pub(super) doc: String,
}

#[derive(Deserialize)]
pub(super) struct SignatureMetric {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<Type>,
    pub(super) nullable: bool,
    pub(super) doc: String,
}

#[derive(Deserialize)]
struct Problem {
    problem: String,
}

impl Signature {
    /// Asks the interpreter.
    ///
    /// # Errors
    /// Why there is no such function, or why it cannot be a model.
    pub(super) fn read(interpreter: &Path, file: &Path, function: &str) -> Result<Self, String> {
        // Nothing of the user's environment is needed to parse a file, and starting without it takes half as long.
        let arguments = python_arguments(&["-I", "-S"], DECLARE);
        let request = line(&json!({ "file": file, "function": function }));
        let reply = ask_once(interpreter, &arguments, &request)?;
        if let Ok(Problem { problem }) = serde_json::from_slice(&reply) {
            return Err(problem);
        }
        serde_json::from_slice(&reply)
            .map_err(|error| format!("{} did not answer as Python does: {error}", interpreter.display()))
    }
}
