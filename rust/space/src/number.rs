//! Numbers as text: integers with all their digits, floats as ECMAScript writes them (RFC 8785, 3.2.2.3).

/// The largest integer that every JSON reader holds exactly: 2^53 - 1 (RFC 8785, appendix D).
pub const EXACT_INTEGER_MAX: i64 = (1 << 53) - 1;

/// Appends an integer with all its digits.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    // 2^63 has nineteen digits.
    let mut digits = [0_u8; 19];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a finite float in the shortest form that reads back to the same bits; -0.0 becomes `0`.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    debug_assert!(value.is_finite(), "JSON has no {value}");
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> String {
        let mut out = Vec::new();
        write_int(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_have_all_their_digits() {
        for value in [0, 1, -1, 9, 10, -10, 99, 100, i64::MAX, i64::MIN, EXACT_INTEGER_MAX] {
            assert_eq!(int(value), value.to_string());
        }
    }
}
