//! The value of an expression.

use std::cmp::Ordering;

use crate::expression::Undefined;
use crate::value::{Value, ValueRef};

const NULL: Undefined = Undefined("a value is null");
const ABSENT: Undefined = Undefined("a parameter has no value");
const BEYOND: Undefined = Undefined("a whole number is beyond 64 bits");
const DIVISION: Undefined = Undefined("division by zero");
const NOT_FINITE: Undefined = Undefined("a result is not a finite number");

/// A part of an expression. Its operands have the right types: `parse` has checked them.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(Value),
    Variable(usize),
    Negative(Box<Node>),
    Not(Box<Node>),
    /// A whole number where floats may be, too.
    Float(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Arithmetic(Operator, Box<[Node; 2]>),
    Comparison(Comparison, Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    Call(Function, Box<Node>),
    Least(Vec<Node>),
    Greatest(Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Unequal,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Ceil,
    Exp,
    Floor,
    Log,
    Log10,
    Round,
    Sqrt,
}

/// Two numbers as one type.
#[derive(Clone, Copy)]
enum Pair {
    Ints(i64, i64),
    Floats(f64, f64),
}

impl Node {
    pub(super) fn value<'a>(
        &'a self,
        of: &impl Fn(usize) -> Option<ValueRef<'a>>,
    ) -> Result<ValueRef<'a>, Undefined> {
        match self {
            Self::Constant(value) => Ok(value.borrow()),
            Self::Variable(number) => of(*number).ok_or(ABSENT),
            Self::Negative(operand) => match operand.value(of)? {
                ValueRef::Int(int) => int.checked_neg().map(ValueRef::Int).ok_or(BEYOND),
                other => finite(-float(other)?),
            },
            Self::Not(operand) => Ok(ValueRef::Bool(!operand.truth(of)?)),
            Self::Float(operand) => float(operand.value(of)?).map(ValueRef::Float),
            Self::And(sides) => decided(sides, false, of),
            Self::Or(sides) => decided(sides, true, of),
            Self::Arithmetic(operator, sides) => {
                operator.apply(pair(sides[0].value(of)?, sides[1].value(of)?)?)
            }
            Self::Comparison(comparison, sides) => {
                comparison.holds(sides[0].value(of)?, sides[1].value(of)?).map(ValueRef::Bool)
            }
            Self::If(parts) => parts[if parts[0].truth(of)? { 1 } else { 2 }].value(of),
            Self::Call(function, argument) => function.apply(argument.value(of)?),
            Self::Least(parts) => extreme(parts, Ordering::Less, of),
            Self::Greatest(parts) => extreme(parts, Ordering::Greater, of),
        }
    }

    fn truth<'a>(&'a self, of: &impl Fn(usize) -> Option<ValueRef<'a>>) -> Result<bool, Undefined> {
        match self.value(of)? {
            ValueRef::Bool(truth) => Ok(truth),
            _ => Err(NULL),
        }
    }
}

/// `and`, which one false side decides, or `or`, which one true side does, even if the other has no value.
fn decided<'a>(
    sides: &'a [Node; 2],
    deciding: bool,
    of: &impl Fn(usize) -> Option<ValueRef<'a>>,
) -> Result<ValueRef<'a>, Undefined> {
    let left = sides[0].truth(of);
    if left == Ok(deciding) {
        return Ok(ValueRef::Bool(deciding));
    }
    let right = sides[1].truth(of);
    if right == Ok(deciding) { Ok(ValueRef::Bool(deciding)) } else { left.and(right).map(ValueRef::Bool) }
}

/// The least or the greatest of some numbers.
fn extreme<'a>(
    parts: &'a [Node],
    wanted: Ordering,
    of: &impl Fn(usize) -> Option<ValueRef<'a>>,
) -> Result<ValueRef<'a>, Undefined> {
    let mut best = parts[0].value(of)?;
    for part in &parts[1..] {
        let value = part.value(of)?;
        if order(pair(value, best)?) == wanted {
            best = value;
        }
    }
    Ok(best)
}

impl Operator {
    fn apply<'a>(self, operands: Pair) -> Result<ValueRef<'a>, Undefined> {
        match (self, operands) {
            (Self::Divide | Self::Power, Pair::Ints(left, right)) => {
                self.apply_to_floats(left as f64, right as f64)
            }
            (_, Pair::Ints(left, right)) => self.apply_to_ints(left, right),
            (_, Pair::Floats(left, right)) => self.apply_to_floats(left, right),
        }
    }

    fn apply_to_ints<'a>(self, left: i64, right: i64) -> Result<ValueRef<'a>, Undefined> {
        if right == 0 && matches!(self, Self::DivideWhole | Self::Remainder) {
            return Err(DIVISION);
        }
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            // Rounded down, and so the remainder has the sign of `right`, as in Python.
            Self::DivideWhole => left
                .checked_div(right)
                .map(|quotient| quotient - i64::from(left % right != 0 && (left < 0) != (right < 0))),
            Self::Remainder => left
                .checked_rem(right)
                .map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }),
            Self::Divide | Self::Power => unreachable!("of floats"),
        };
        result.map(ValueRef::Int).ok_or(BEYOND)
    }

    fn apply_to_floats<'a>(self, left: f64, right: f64) -> Result<ValueRef<'a>, Undefined> {
        finite(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide if right == 0.0 => return Err(DIVISION),
            Self::Divide => left / right,
            Self::Power => libm::pow(left, right),
            Self::DivideWhole | Self::Remainder => unreachable!("of whole numbers"),
        })
    }
}

impl Comparison {
    fn holds(self, left: ValueRef<'_>, right: ValueRef<'_>) -> Result<bool, Undefined> {
        let is_equal = match (left, right) {
            (ValueRef::Int(_) | ValueRef::Float(_), ValueRef::Int(_) | ValueRef::Float(_)) => {
                let order = order(pair(left, right)?);
                return Ok(match self {
                    Self::Less => order.is_lt(),
                    Self::AtMost => order.is_le(),
                    Self::Greater => order.is_gt(),
                    Self::AtLeast => order.is_ge(),
                    Self::Equal => order.is_eq(),
                    Self::Unequal => order.is_ne(),
                });
            }
            _ => left == right,
        };
        match self {
            Self::Equal => Ok(is_equal),
            Self::Unequal => Ok(!is_equal),
            _ => Err(NULL),
        }
    }
}

impl Function {
    fn apply<'a>(self, argument: ValueRef<'_>) -> Result<ValueRef<'a>, Undefined> {
        if let ValueRef::Int(int) = argument {
            match self {
                Self::Abs => return int.checked_abs().map(ValueRef::Int).ok_or(BEYOND),
                Self::Ceil | Self::Floor | Self::Round => return Ok(ValueRef::Int(int)),
                _ => {}
            }
        }
        let number = float(argument)?;
        match self {
            Self::Abs => finite(number.abs()),
            Self::Ceil => whole(number.ceil()),
            Self::Floor => whole(number.floor()),
            Self::Round => whole(number.round_ties_even()),
            Self::Exp => finite(libm::exp(number)),
            Self::Log => finite(libm::log(number)),
            Self::Log10 => finite(libm::log10(number)),
            Self::Sqrt => finite(number.sqrt()),
        }
    }
}

fn pair(left: ValueRef<'_>, right: ValueRef<'_>) -> Result<Pair, Undefined> {
    match (left, right) {
        (ValueRef::Int(left), ValueRef::Int(right)) => Ok(Pair::Ints(left, right)),
        _ => Ok(Pair::Floats(float(left)?, float(right)?)),
    }
}

fn order(numbers: Pair) -> Ordering {
    match numbers {
        Pair::Ints(left, right) => left.cmp(&right),
        Pair::Floats(left, right) => left.partial_cmp(&right).expect("finite numbers"),
    }
}

fn float(value: ValueRef<'_>) -> Result<f64, Undefined> {
    match value {
        ValueRef::Int(int) => Ok(int as f64),
        ValueRef::Float(float) => Ok(float),
        _ => Err(NULL),
    }
}

fn finite<'a>(float: f64) -> Result<ValueRef<'a>, Undefined> {
    // Adding 0.0 turns -0.0 into 0.0: both are the same parameter.
    if float.is_finite() { Ok(ValueRef::Float(float + 0.0)) } else { Err(NOT_FINITE) }
}

/// A float without fraction as an integer.
fn whole<'a>(float: f64) -> Result<ValueRef<'a>, Undefined> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "within 64 bits")]
    if (-END..END).contains(&float) { Ok(ValueRef::Int(float as i64)) } else { Err(BEYOND) }
}
