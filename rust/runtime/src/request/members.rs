//! A JSON object whose field names are not fixed.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

/// The members of a JSON object, in byte order of their names; a repeated name is an error.
#[derive(Debug)]
pub(crate) struct Members<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Self::default())
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Self, M::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
        if let Some(pair) = self.0.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(M::Error::custom(format_args!("duplicate field `{}`", pair[0].0)));
        }
        Ok(self)
    }
}
