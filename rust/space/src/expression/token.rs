//! The words of an expression.

use crate::expression::Mistake;

/// A token, and the place of its first character.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) place: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// A name or a keyword.
    Word(&'a str),
    /// An operator, a bracket or a comma.
    Symbol(&'static str),
    End,
}

/// Longer ones first: a symbol is the first of these that fits.
const SYMBOLS: [&str; 16] =
    ["**", "//", "<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ","];

/// Splits a text into tokens; the last is `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Mistake> {
    let (mut tokens, mut rest) = (vec![], text);
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let at = text.len() - rest.len();
        let place = text[..at].chars().count();
        let (kind, length) = next(rest).map_err(|problem| Mistake { place, problem })?;
        tokens.push(Token { kind, place });
        if kind == Kind::End {
            return Ok(tokens);
        }
        rest = &rest[length..];
    }
}

/// The first token of a text, and its length in bytes.
fn next(text: &str) -> Result<(Kind<'_>, usize), String> {
    let Some(first) = text.chars().next() else { return Ok((Kind::End, 0)) };
    if first.is_ascii_digit() || first == '.' {
        return number(text);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let word = prefix(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return Ok((Kind::Word(word), word.len()));
    }
    if first == '"' || first == '\'' {
        let inside = &text[1..];
        let end = inside.find(first).ok_or_else(|| format!("the text has no closing {first}"))?;
        return Ok((Kind::Text(&inside[..end]), end + 2));
    }
    let symbol = SYMBOLS.into_iter().find(|symbol| text.starts_with(symbol));
    symbol.map(|symbol| (Kind::Symbol(symbol), symbol.len())).ok_or_else(|| unknown(first))
}

fn unknown(first: char) -> String {
    let hint = match first {
        '=' => "; for equality write ==",
        '&' => "; write `and`",
        '|' => "; write `or`",
        '!' => "; write `not`, or !=",
        '^' => "; for a power write **",
        _ => "",
    };
    format!("{first:?} is not a part of expressions{hint}")
}

/// Digits with an optional fraction and exponent, which make it a float.
fn number(text: &str) -> Result<(Kind<'_>, usize), String> {
    let whole = prefix(text, |byte| byte.is_ascii_digit()).len();
    let mut end = whole;
    if text[end..].starts_with('.') {
        end += 1 + prefix(&text[end + 1..], |byte| byte.is_ascii_digit()).len();
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        end += 1 + sign + prefix(&text[end + 1 + sign..], |byte| byte.is_ascii_digit()).len();
    }
    let digits = &text[..end];
    let glued = text[end..].starts_with(|next: char| next.is_ascii_alphanumeric() || "._".contains(next));
    if glued || digits == "." || digits.ends_with(['e', 'E', '+', '-']) {
        let word = prefix(text, |byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
        return Err(format!("{word:?} is not a number"));
    }
    if end == whole {
        let int = digits.parse().map_err(|_| format!("{digits} is beyond 64 bits: write {digits}.0"))?;
        return Ok((Kind::Int(int), end));
    }
    let float: f64 = digits.parse().map_err(|_| format!("{digits:?} is not a number"))?;
    if float.is_finite() { Ok((Kind::Float(float), end)) } else { Err(format!("{digits} is too large")) }
}

fn prefix(text: &str, belongs: impl Fn(u8) -> bool) -> &str {
    let end = text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len());
    &text[..end]
}
