//! From tokens to an expression whose types fit. From loose to tight: `or`, `and`, `not`, comparisons, `+ -`,
//! `* / // %`, a sign, `**`.

use crate::expression::evaluate::{Comparison, Function, Node, Operator};
use crate::expression::token::{Kind, Token, tokens};
use crate::expression::{Expression, ExpressionType as Type, Mistake, Scope};
use crate::value::Value;

/// How deep parts may be nested.
const MAX_DEPTH: usize = 64;

const FUNCTIONS: &str = "abs, ceil, exp, floor, if, log, log10, max, min, round, sqrt";

/// Reads a whole text.
pub(super) fn parse(text: &str, scope: &impl Scope) -> Result<Expression, Mistake> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, scope };
    let Part { node, kind, .. } = parser.expression()?;
    let end = parser.peek();
    if end.kind != Kind::End {
        return Err(end.mistake(format!("expected an operator or the end, found {}", end.shown())));
    }
    let mut variables = vec![];
    node.variables(&mut variables);
    variables.sort_unstable();
    variables.dedup();
    Ok(Expression { node, kind, variables })
}

/// A part of an expression, and what is known of its values.
struct Part {
    node: Node,
    /// None if it is always null.
    kind: Option<Type>,
    nullable: bool,
    place: usize,
}

struct Parser<'a, S> {
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
    scope: &'a S,
}

impl<'a, S: Scope> Parser<'a, S> {
    fn expression(&mut self) -> Result<Part, Mistake> {
        self.deeper(|parser| {
            let mut left = parser.conjunction()?;
            while parser.take_word("or") {
                left = truths(Node::Or, left, parser.conjunction()?)?;
            }
            Ok(left)
        })
    }

    fn conjunction(&mut self) -> Result<Part, Mistake> {
        let mut left = self.negation()?;
        while self.take_word("and") {
            left = truths(Node::And, left, self.negation()?)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Part, Mistake> {
        let place = self.peek().place;
        if !self.take_word("not") {
            return self.comparison();
        }
        let operand = self.deeper(Self::negation)?.truth()?;
        Ok(Part { node: Node::Not(Box::new(operand.node)), kind: Some(Type::Bool), nullable: false, place })
    }

    /// `a < b < c` is `a < b and b < c`.
    fn comparison(&mut self) -> Result<Part, Mistake> {
        let mut left = self.sum()?;
        let mut whole: Option<Part> = None;
        while let Some((comparison, place)) = self.take_comparison() {
            let mut right = self.sum()?;
            self.meant(&mut left, &right)?;
            self.meant(&mut right, &left)?;
            comparable(comparison, place, &left, &right)?;
            let sides = Box::new([left.node, right.node.clone()]);
            let node = Node::Comparison(comparison, sides);
            let link = Part { node, kind: Some(Type::Bool), nullable: false, place: left.place };
            whole = Some(match whole {
                Some(before) => truths(Node::And, before, link)?,
                None => link,
            });
            left = right;
        }
        Ok(whole.unwrap_or(left))
    }

    /// Turns a text into the value that is meant by it of the variable with which it is compared.
    fn meant(&self, part: &mut Part, other: &Part) -> Result<(), Mistake> {
        if let (Node::Constant(Value::Text(text)), Node::Variable(number)) = (&part.node, &other.node) {
            let meant = self.scope.meant(*number, text);
            let value = Value::Text(meant.map_err(|problem| Mistake { place: part.place, problem })?);
            part.node = Node::Constant(value);
        }
        Ok(())
    }

    fn sum(&mut self) -> Result<Part, Mistake> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek().kind {
                Kind::Symbol("+") => Operator::Add,
                Kind::Symbol("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            let place = self.advance().place;
            left = arithmetic(operator, place, left, self.product()?)?;
        }
    }

    fn product(&mut self) -> Result<Part, Mistake> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.peek().kind {
                Kind::Symbol("*") => Operator::Multiply,
                Kind::Symbol("/") => Operator::Divide,
                Kind::Symbol("//") => Operator::DivideWhole,
                Kind::Symbol("%") => Operator::Remainder,
                _ => return Ok(left),
            };
            let place = self.advance().place;
            left = arithmetic(operator, place, left, self.signed()?)?;
        }
    }

    fn signed(&mut self) -> Result<Part, Mistake> {
        let Token { kind, place } = self.peek();
        match kind {
            Kind::Symbol("-") => {
                self.advance();
                let operand = self.deeper(Self::signed)?.number()?;
                Ok(Part { node: Node::Negative(Box::new(operand.node)), place, ..operand })
            }
            Kind::Symbol("+") => {
                self.advance();
                self.deeper(Self::signed)?.number()
            }
            _ => self.power(),
        }
    }

    /// `-a ** b` is `-(a ** b)`, and `a ** b ** c` is `a ** (b ** c)`.
    fn power(&mut self) -> Result<Part, Mistake> {
        let left = self.primary()?;
        if self.peek().kind != Kind::Symbol("**") {
            return Ok(left);
        }
        let place = self.advance().place;
        arithmetic(Operator::Power, place, left, self.deeper(Self::signed)?)
    }

    fn primary(&mut self) -> Result<Part, Mistake> {
        let token = self.advance();
        let place = token.place;
        let constant = |value, kind| Part { node: Node::Constant(value), kind, nullable: false, place };
        match token.kind {
            Kind::Int(int) => Ok(constant(Value::Int(int), Some(Type::Int))),
            Kind::Float(float) => Ok(constant(Value::Float(float), Some(Type::Float))),
            Kind::Text(text) => Ok(constant(Value::Text(text.into()), Some(Type::Text))),
            Kind::Word("true") => Ok(constant(Value::Bool(true), Some(Type::Bool))),
            Kind::Word("false") => Ok(constant(Value::Bool(false), Some(Type::Bool))),
            Kind::Word("null") => Ok(Part { nullable: true, ..constant(Value::Null, None) }),
            Kind::Word("True") => Err(token.mistake("write true".to_owned())),
            Kind::Word("False") => Err(token.mistake("write false".to_owned())),
            Kind::Word("None") => Err(token.mistake("write null".to_owned())),
            Kind::Word(word) if self.peek().kind == Kind::Symbol("(") => self.call(word, place),
            Kind::Word(word) if !["and", "or", "not"].contains(&word) => {
                let found = self.scope.find(word).map_err(|problem| Mistake { place, problem })?;
                let (kind, nullable) = (Some(found.kind), found.nullable);
                Ok(Part { node: Node::Variable(found.number), kind, nullable, place })
            }
            Kind::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            _ => Err(token.mistake(format!("expected a value, found {}", token.shown()))),
        }
    }

    fn call(&mut self, name: &str, place: usize) -> Result<Part, Mistake> {
        let arguments = self.arguments()?;
        let function = match name {
            "if" => return choice(arguments, place),
            "max" => return extreme(Node::Greatest, arguments, place),
            "min" => return extreme(Node::Least, arguments, place),
            "abs" => Function::Abs,
            "ceil" => Function::Ceil,
            "exp" => Function::Exp,
            "floor" => Function::Floor,
            "log" => Function::Log,
            "log10" => Function::Log10,
            "round" => Function::Round,
            "sqrt" => Function::Sqrt,
            _ => {
                let problem = format!("unknown function {name:?}; there are {FUNCTIONS}");
                return Err(Mistake { place, problem });
            }
        };
        let [argument] = exactly(arguments, name, place)?;
        let argument = argument.number()?;
        let kind = match function {
            Function::Abs => argument.kind,
            Function::Ceil | Function::Floor | Function::Round => Some(Type::Int),
            Function::Exp | Function::Log | Function::Log10 | Function::Sqrt => Some(Type::Float),
        };
        Ok(Part { node: Node::Call(function, Box::new(argument.node)), kind, nullable: false, place })
    }

    fn arguments(&mut self) -> Result<Vec<Part>, Mistake> {
        self.expect("(")?;
        let mut arguments = vec![self.expression()?];
        while self.peek().kind == Kind::Symbol(",") {
            self.advance();
            arguments.push(self.expression()?);
        }
        self.expect(")")?;
        Ok(arguments)
    }

    fn take_comparison(&mut self) -> Option<(Comparison, usize)> {
        let comparison = match self.peek().kind {
            Kind::Symbol("<") => Comparison::Less,
            Kind::Symbol("<=") => Comparison::AtMost,
            Kind::Symbol(">") => Comparison::Greater,
            Kind::Symbol(">=") => Comparison::AtLeast,
            Kind::Symbol("==") => Comparison::Equal,
            Kind::Symbol("!=") => Comparison::Unequal,
            _ => return None,
        };
        Some((comparison, self.advance().place))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek().kind == Kind::Word(word);
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Mistake> {
        let token = self.advance();
        if token.kind == Kind::Symbol(symbol) {
            return Ok(());
        }
        Err(token.mistake(format!("expected {symbol}, found {}", token.shown())))
    }

    fn peek(&self) -> Token<'a> {
        self.tokens[self.next]
    }

    /// The next token, after which the following one is next; the end stays.
    fn advance(&mut self) -> Token<'a> {
        let place = self.next;
        self.next = (place + 1).min(self.tokens.len() - 1);
        self.tokens[place]
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Part, Mistake>) -> Result<Part, Mistake> {
        if self.depth == MAX_DEPTH {
            return Err(self.peek().mistake(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let part = read(self);
        self.depth -= 1;
        part
    }
}

impl Token<'_> {
    fn mistake(&self, problem: String) -> Mistake {
        Mistake { place: self.place, problem }
    }

    fn shown(&self) -> String {
        match self.kind {
            Kind::Int(int) => int.to_string(),
            Kind::Float(float) => float.to_string(),
            Kind::Text(text) => format!("{text:?}"),
            Kind::Word(word) => format!("`{word}`"),
            Kind::Symbol(symbol) => format!("`{symbol}`"),
            Kind::End => "the end".to_owned(),
        }
    }
}

impl Part {
    fn number(self) -> Result<Self, Mistake> {
        match self.kind {
            Some(Type::Int | Type::Float) => Ok(self),
            _ => Err(self.mistake("a number")),
        }
    }

    /// Its node, for a place where values have type `kind`.
    fn widened(self, kind: Option<Type>) -> Node {
        let is_wider = kind == Some(Type::Float) && self.kind == Some(Type::Int);
        if is_wider { Node::Float(Box::new(self.node)) } else { self.node }
    }

    fn truth(self) -> Result<Self, Mistake> {
        if self.kind == Some(Type::Bool) { Ok(self) } else { Err(self.mistake("true or false")) }
    }

    fn mistake(&self, wanted: &str) -> Mistake {
        Mistake { place: self.place, problem: format!("must be {wanted}, and is {}", shown(self.kind)) }
    }
}

fn shown(kind: Option<Type>) -> String {
    kind.map_or("null".to_owned(), |kind| kind.to_string())
}

fn truths(node: fn(Box<[Node; 2]>) -> Node, left: Part, right: Part) -> Result<Part, Mistake> {
    let (left, right) = (left.truth()?, right.truth()?);
    let sides = Box::new([left.node, right.node]);
    Ok(Part { node: node(sides), kind: Some(Type::Bool), nullable: false, place: left.place })
}

/// Whether two parts can be compared so. Null equals null alone.
fn comparable(comparison: Comparison, place: usize, left: &Part, right: &Part) -> Result<(), Mistake> {
    let refuse = |problem: String| Err(Mistake { place, problem });
    let only_equal = matches!(comparison, Comparison::Equal | Comparison::Unequal);
    match (left.kind, right.kind) {
        (Some(Type::Int | Type::Float), Some(Type::Int | Type::Float)) => Ok(()),
        (Some(one), Some(other)) if one != other => refuse(format!("compares {one} with {other}")),
        (None, _) | (_, None) if only_equal && left.nullable && right.nullable => Ok(()),
        (None, _) | (_, None) if only_equal => refuse("compares with null what is never null".to_owned()),
        _ if only_equal => Ok(()),
        (kind, _) => refuse(format!("only numbers have an order; this is {}", shown(kind))),
    }
}

fn arithmetic(operator: Operator, place: usize, left: Part, right: Part) -> Result<Part, Mistake> {
    let (left, right) = (left.number()?, right.number()?);
    let ints = left.kind == Some(Type::Int) && right.kind == Some(Type::Int);
    let kind = match operator {
        Operator::DivideWhole | Operator::Remainder if !ints => {
            let problem = "takes whole numbers; of others, write floor(a / b)".to_owned();
            return Err(Mistake { place, problem });
        }
        Operator::Divide | Operator::Power => Type::Float,
        _ if ints => Type::Int,
        _ => Type::Float,
    };
    let node = Node::Arithmetic(operator, Box::new([left.node, right.node]));
    Ok(Part { node, kind: Some(kind), nullable: false, place: left.place })
}

fn choice(arguments: Vec<Part>, place: usize) -> Result<Part, Mistake> {
    let [condition, yes, no] = exactly(arguments, "if", place)?;
    let condition = condition.truth()?;
    let kind = match (yes.kind, no.kind) {
        (one, other) if one == other => one,
        (Some(Type::Int | Type::Float), Some(Type::Int | Type::Float)) => Some(Type::Float),
        (None, other) | (other, None) => other,
        (one, other) => {
            let problem = format!("both values of if must be alike: {} and {}", shown(one), shown(other));
            return Err(Mistake { place, problem });
        }
    };
    let nullable = yes.nullable || no.nullable;
    let node = Node::If(Box::new([condition.node, yes.widened(kind), no.widened(kind)]));
    Ok(Part { node, kind, nullable, place })
}

fn extreme(node: fn(Vec<Node>) -> Node, arguments: Vec<Part>, place: usize) -> Result<Part, Mistake> {
    let parts = arguments.into_iter().map(Part::number).collect::<Result<Vec<_>, _>>()?;
    if parts.len() < 2 {
        return Err(Mistake { place, problem: "takes two or more numbers".to_owned() });
    }
    let ints = parts.iter().all(|part| part.kind == Some(Type::Int));
    let kind = Some(if ints { Type::Int } else { Type::Float });
    let node = node(parts.into_iter().map(|part| part.widened(kind)).collect());
    Ok(Part { node, kind, nullable: false, place })
}

fn exactly<const N: usize>(arguments: Vec<Part>, name: &str, place: usize) -> Result<[Part; N], Mistake> {
    let count = arguments.len();
    arguments.try_into().map_err(|_| {
        let problem = format!("{name} takes {N} value{}, not {count}", if N == 1 { "" } else { "s" });
        Mistake { place, problem }
    })
}

impl Node {
    fn variables(&self, found: &mut Vec<usize>) {
        let parts: &[Self] = match self {
            Self::Constant(_) => &[],
            Self::Variable(number) => return found.push(*number),
            Self::Negative(part) | Self::Not(part) | Self::Float(part) | Self::Call(_, part) => {
                std::slice::from_ref(part)
            }
            Self::And(parts) | Self::Or(parts) | Self::Arithmetic(_, parts) | Self::Comparison(_, parts) => {
                &parts[..]
            }
            Self::If(parts) => &parts[..],
            Self::Least(parts) | Self::Greatest(parts) => parts,
        };
        for part in parts {
            part.variables(found);
        }
    }
}
