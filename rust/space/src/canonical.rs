//! Canonical JSON: the JSON Canonicalization Scheme of RFC 8785, with one addition. Integers beyond
//! +-(2^53 - 1), which the RFC leaves to the application, become strings of their digits.

use crate::number::{EXACT_INTEGER_MAX, write_float, write_int};
use crate::value::ValueRef;

/// A JSON value of any depth, borrowing its texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// Anything without members.
    Value(ValueRef<'a>),
    /// Items in their order.
    Array(Vec<Json<'a>>),
    /// Members in any order; keys must be distinct.
    Object(Vec<(&'a str, Json<'a>)>),
}

/// Returns the canonical text of `json`.
pub fn canonical(json: &Json<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, json);
    String::from_utf8(out).expect("JSON texts are UTF-8")
}

fn write(out: &mut Vec<u8>, json: &Json<'_>) {
    match json {
        Json::Value(value) => write_value(out, *value),
        Json::Array(items) => write_members(out, *b"[]", items, write),
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            write_members(out, *b"{}", sorted, |out, (key, member)| {
                write_text(out, key);
                out.push(b':');
                write(out, member);
            });
        }
    }
}

fn write_members<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    members: impl IntoIterator<Item = T>,
    write_one: impl Fn(&mut Vec<u8>, T),
) {
    out.push(open);
    for (place, member) in members.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_one(out, member);
    }
    out.push(close);
}

/// Appends the canonical text of one value.
pub(crate) fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Int(integer) if integer.unsigned_abs() > EXACT_INTEGER_MAX.unsigned_abs() => {
            out.push(b'"');
            write_int(out, integer);
            out.push(b'"');
        }
        other => write_plain(out, other),
    }
}

/// Appends a value as plain JSON: like canonical JSON, but all integers are numbers with all their digits.
pub fn write_plain(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Bool(true) => out.extend_from_slice(b"true"),
        ValueRef::Bool(false) => out.extend_from_slice(b"false"),
        ValueRef::Int(integer) => write_int(out, integer),
        ValueRef::Float(float) => write_float(out, float),
        ValueRef::Text(text) => write_text(out, text),
    }
}

/// Appends `text` as a JSON string, escaped as RFC 8785 says.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_into(out, text.as_bytes());
    out.push(b'"');
}

/// Appends UTF-8 text with a JSON string's escapes and without its quotes.
pub fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        out.extend_from_slice(&rest[..place]);
        write_escape(out, rest[place]);
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        control => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(control >> 4), hex(control & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
