//! Files of a point that are kept with its shard. They are no result: two attempts may keep different ones.

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The end of a file that a point left.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptFile {
    /// As the manifest names it.
    name: String,
    /// Of the whole file, of which only the end may be kept.
    bytes: u64,
    base64: String,
}

impl KeptFile {
    pub(crate) fn new(name: &str, bytes: u64, end: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes, base64: base64(end) }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| chunk.get(place).copied().unwrap_or_default();
        let word = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            let is_given = place <= chunk.len();
            text.push(if is_given { ALPHABET[digit as usize].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_standard_says() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(b"\xff\xfe\xfd\x00"), "//79AA==");
    }
}
