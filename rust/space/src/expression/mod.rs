//! Expressions over the parameters of a point: a small, typed language without loops or state, with the same bits on
//! every machine. docs/expressions.md has its grammar.

mod evaluate;
mod parse;
mod token;

use std::fmt;

use crate::expression::evaluate::Node;
use crate::value::ValueRef;

/// The longest text of an expression, in characters.
const MAX_LENGTH: usize = 1000;

/// The type of an expression's value, or of a variable in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionType {
    /// A signed 64-bit integer.
    Int,
    /// A finite binary64 number.
    Float,
    /// A truth value.
    Bool,
    /// Unicode text.
    Text,
}

impl fmt::Display for ExpressionType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::Text => "a text",
        })
    }
}

/// A variable of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// What the caller knows it by.
    pub number: usize,
    /// The type of its values.
    pub kind: ExpressionType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The variables that an expression may name.
pub trait Scope {
    /// The variable of this name.
    ///
    /// # Errors
    /// The problem, if there is none.
    fn find(&self, name: &str) -> Result<Variable, String>;

    /// The value of a variable that is meant by a text with which it is compared.
    ///
    /// # Errors
    /// The problem, if it never has such a value.
    fn meant(&self, variable: usize, text: &str) -> Result<Box<str>, String>;
}

/// What is wrong with an expression's text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// In characters from the start of the text, from 0.
    pub place: usize,
    /// The problem, in words.
    pub problem: String,
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undefined(&'static str);

impl fmt::Display for Undefined {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// An expression whose names and types have been checked.
#[derive(Clone, Debug)]
pub struct Expression {
    node: Node,
    kind: Option<ExpressionType>,
    variables: Vec<usize>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Its first mistake.
    pub fn parse(text: &str, scope: &impl Scope) -> Result<Self, Mistake> {
        if let Some((place, _)) = text.char_indices().nth(MAX_LENGTH) {
            let problem = format!("an expression has at most {MAX_LENGTH} characters");
            return Err(Mistake { place: text[..place].chars().count(), problem });
        }
        parse::parse(text, scope)
    }

    /// The type of its value; none if it is always null.
    pub fn kind(&self) -> Option<ExpressionType> {
        self.kind
    }

    /// The numbers of the variables that it names, each once, in their order.
    pub fn variables(&self) -> &[usize] {
        &self.variables
    }

    /// Its value, where `of` gives that of a variable, if there is one. It is null only if a nullable variable is.
    /// Floats are finite, and never -0.0.
    ///
    /// # Errors
    /// Why there is none: division by zero, a result that is not finite, or a variable without a value.
    pub fn value<'a>(
        &'a self,
        of: &impl Fn(usize) -> Option<ValueRef<'a>>,
    ) -> Result<ValueRef<'a>, Undefined> {
        self.node.value(of)
    }
}

#[cfg(test)]
mod tests;
