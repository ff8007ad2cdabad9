//! The `Model` trait, and its type-erased form, in which an engine holds several models.

pub(crate) mod catalog;
pub(crate) mod declaration;
pub(crate) mod declared;
pub(crate) mod domain_error;
pub(crate) mod guarded;
pub(crate) mod kept;
pub(crate) mod output;
pub(crate) mod rows;
pub(crate) mod trial;
pub(crate) mod validate;

use sweep_space::{Streams, ValueRef};

use crate::model::declaration::Declaration;
use crate::model::domain_error::DomainError;
use crate::model::output::Output;

/// A simulation: deterministic for (parameters, seed, replicate).
pub trait Model: Sync {
    /// Memory that points on one thread reuse, one after another. It must not carry anything from one point
    /// into the output of the next. After a panic it is replaced.
    type Scratch: Default;

    /// The model's parameters, metrics and datasets. Always the same.
    fn declaration(&self) -> Declaration;

    /// Runs one point: reads `parameters`, draws from `streams`, and sets every metric of `output`.
    ///
    /// # Errors
    /// If the parameters, each within its range, contradict each other, or the simulation cannot continue.
    fn run(
        &self,
        parameters: &Parameters<'_>,
        streams: &Streams,
        scratch: &mut Self::Scratch,
        output: &mut Output,
    ) -> Result<(), DomainError>;
}

/// A [`Model`] with its scratch type erased. Every model implements it.
pub trait AnyModel: Sync {
    /// See [`Model::declaration`].
    fn declaration(&self) -> Declaration;

    /// The model with fresh scratch memory.
    fn runner(&self) -> Box<dyn Runner + '_>;
}

/// A model with its scratch memory, for one thread.
pub trait Runner {
    /// See [`Model::run`].
    ///
    /// # Errors
    /// See [`Model::run`].
    fn run(
        &mut self,
        given: &Parameters<'_>,
        streams: &Streams,
        output: &mut Output,
    ) -> Result<(), DomainError>;
}

struct Scratched<'a, M: Model> {
    model: &'a M,
    scratch: M::Scratch,
}

impl<M: Model> AnyModel for M {
    fn declaration(&self) -> Declaration {
        Model::declaration(self)
    }

    fn runner(&self) -> Box<dyn Runner + '_> {
        Box::new(Scratched { model: self, scratch: M::Scratch::default() })
    }
}

impl<M: Model> Runner for Scratched<'_, M> {
    fn run(
        &mut self,
        given: &Parameters<'_>,
        streams: &Streams,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        self.model.run(given, streams, &mut self.scratch, output)
    }
}

/// All parameters of a point, defaults filled in.
///
/// Every method panics if the model has not declared the parameter, or declared it with another type.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a>(pub(crate) &'a [(&'static str, ValueRef<'a>)]);

impl<'a> Parameters<'a> {
    /// A parameter of any type. The only way to read a nullable one.
    ///
    /// # Panics
    /// See the type.
    pub fn value(&self, name: &str) -> ValueRef<'a> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("the model does not declare parameter {name:?}")).1
    }

    /// An integer parameter.
    ///
    /// # Panics
    /// See the type.
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            ValueRef::Int(value) => value,
            other => panic!("{name} is {other:?}, not an integer"),
        }
    }

    /// An integer parameter whose range starts at 0 or above.
    ///
    /// # Panics
    /// See the type; and if it is negative.
    pub fn count(&self, name: &str) -> u64 {
        u64::try_from(self.int(name)).expect("a count's declared range starts at 0 or above")
    }

    /// A float parameter.
    ///
    /// # Panics
    /// See the type.
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            ValueRef::Float(value) => value,
            other => panic!("{name} is {other:?}, not a float"),
        }
    }

    /// A truth value.
    ///
    /// # Panics
    /// See the type.
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            ValueRef::Bool(value) => value,
            other => panic!("{name} is {other:?}, not a truth value"),
        }
    }

    /// A text parameter.
    ///
    /// # Panics
    /// See the type.
    pub fn string(&self, name: &str) -> &'a str {
        match self.value(name) {
            ValueRef::Text(value) => value,
            other => panic!("{name} is {other:?}, not a string"),
        }
    }
}
