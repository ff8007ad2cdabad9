//! A JSON object of a design, read field by field, so that every refusal names the path to the problem.

use sweep_space::{BrokenRule, Decimal};

use crate::request::literal::{Literal, float, int, is_integer, is_number};
use crate::request::members::Members;
use crate::request::refusal::{Refusal, shortened};

/// The fields that have not been taken yet.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    path: String,
    members: Vec<(String, Literal<'a>)>,
}

/// One field: its path and its literal.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) path: String,
    literal: Literal<'a>,
}

impl<'a> Object<'a> {
    /// Reads an object; a repeated field is refused.
    pub(crate) fn parse(path: String, text: &'a str) -> Result<Self, Refusal> {
        if !text.starts_with('{') {
            return Err(Refusal::bad_request(format!("{path} must be a JSON object")));
        }
        match serde_json::from_str::<Members<_>>(text) {
            Ok(Members(members)) => Ok(Self { path, members }),
            Err(error) => Err(Refusal::bad_request(format!("{path}: {error}"))),
        }
    }

    /// Takes a field if it is present.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Field<'a>> {
        let place = self.members.iter().position(|(known, _)| known == name)?;
        let (name, literal) = self.members.remove(place);
        Some(self.field(&name, literal))
    }

    /// Takes a field that must be present.
    pub(crate) fn required(&mut self, name: &str) -> Result<Field<'a>, Refusal> {
        let path = &self.path;
        let missing = Refusal::bad_request(format!("{path}: missing field `{name}`"));
        self.optional(name).ok_or(missing)
    }

    /// Refuses any fields that are left.
    pub(crate) fn end(self) -> Result<(), Refusal> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = shortened(name, 100);
                Err(Refusal::bad_request(format!("{}: unknown field `{name}`", self.path)))
            }
        }
    }

    /// Turns a broken rule of the object into a refusal that names its path.
    pub(crate) fn breaks(&self) -> impl Fn(BrokenRule) -> Refusal + use<> {
        breaks(&self.path)
    }

    /// All fields with their names, in byte order.
    pub(crate) fn into_fields(mut self) -> impl Iterator<Item = (String, Field<'a>)> {
        let members = std::mem::take(&mut self.members);
        members.into_iter().map(move |(name, literal)| {
            let field = self.field(&name, literal);
            (name, field)
        })
    }

    fn field(&self, name: &str, literal: Literal<'a>) -> Field<'a> {
        Field { path: format!("{}.{}", self.path, shortened(name, 100)), literal }
    }
}

fn breaks(path: &str) -> impl Fn(BrokenRule) -> Refusal + use<> {
    let path = path.to_owned();
    move |rule| Refusal::bad_request(format!("{path}: {rule}"))
}

impl<'a> Field<'a> {
    /// As `Object::breaks`.
    pub(crate) fn breaks(&self) -> impl Fn(BrokenRule) -> Refusal + use<> {
        breaks(&self.path)
    }

    pub(crate) fn text(&self) -> &'a str {
        self.literal.text()
    }

    /// Refuses the field's value.
    pub(crate) fn refuse(&self, problem: &str) -> Refusal {
        Refusal::bad_request(format!("{} = {}: {problem}", self.path, self.literal))
    }

    pub(crate) fn object(self) -> Result<Object<'a>, Refusal> {
        Object::parse(self.path, self.literal.text())
    }

    /// The only field of an object that must have exactly one; `known` lists the fields it may be.
    pub(crate) fn only(self, known: &str) -> Result<(String, Self), Refusal> {
        let path = self.path.clone();
        let mut fields = self.object()?.into_fields();
        match (fields.next(), fields.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Refusal::bad_request(format!("{path} must have one field: {known}"))),
        }
    }

    /// Refuses the field itself, which is not one of the `known`.
    pub(crate) fn unknown(&self, known: &str) -> Refusal {
        Refusal::bad_request(format!("{} is unknown: must be {known}", self.path))
    }

    /// A list of literals; `otherwise` names the alternatives in the message.
    pub(crate) fn list(&self, otherwise: &str) -> Result<Vec<Literal<'a>>, Refusal> {
        let list = serde_json::from_str(self.text());
        list.map_err(|_| self.refuse(&format!("must be a list of values{otherwise}")))
    }

    pub(crate) fn string(&self) -> Result<String, Refusal> {
        serde_json::from_str(self.text()).map_err(|_| self.refuse("must be a string"))
    }

    pub(crate) fn strings(&self) -> Result<Vec<String>, Refusal> {
        serde_json::from_str(self.text()).map_err(|_| self.refuse("must be a list of strings"))
    }

    pub(crate) fn bool(&self) -> Result<bool, Refusal> {
        serde_json::from_str(self.text()).map_err(|_| self.refuse("must be true or false"))
    }

    /// A finite number, which may be written as an integer.
    pub(crate) fn float(&self) -> Result<f64, Refusal> {
        let text = self.text();
        let number = match (is_integer(text), is_number(text)) {
            (true, _) => int(text).map(|integer| integer as f64),
            (false, true) => float(text),
            (false, false) => Err("must be a number".to_owned()),
        };
        number.map_err(|problem| self.refuse(&problem))
    }

    /// An integer of 64 bits, written as one.
    pub(crate) fn integer(&self) -> Result<i64, Refusal> {
        if !self.is_integer() {
            return Err(self.refuse("must be an integer, written without point or exponent"));
        }
        int(self.text()).map_err(|problem| self.refuse(&problem))
    }

    /// A count: from 0 to 2^63 - 1.
    pub(crate) fn count(&self) -> Result<u64, Refusal> {
        self.integer()?.try_into().map_err(|_| self.refuse("must not be negative"))
    }

    /// A number with exactly its written digits.
    pub(crate) fn decimal(&self) -> Result<Decimal, Refusal> {
        self.float()?;
        Decimal::parse(self.text())
            .ok_or_else(|| self.refuse("has too many digits: without its point it must be below 2^127"))
    }

    pub(crate) fn is_integer(&self) -> bool {
        is_integer(self.text())
    }
}
