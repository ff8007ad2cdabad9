//! Formats of values as `printf` has them: `.3e`, `05d`, `-12s`.

use sweep_space::{ValueRef, write_plain};

use crate::model::declaration::Type;

/// Wider than any file with fixed columns needs, and bounded.
const MOST: usize = 100;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: usize,
    conversion: char,
}

impl Format {
    /// As in records: the shortest text that reads back to the same number; text as it is; null as nothing.
    pub(super) const PLAIN: Self =
        Self { left: false, zeros: false, plus: false, width: 0, precision: 6, conversion: 's' };

    /// Reads `[-+0][WIDTH][.PRECISION]CONVERSION`.
    ///
    /// # Errors
    /// The problem.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let rule = || {
            format!(
                "{text:?} is not a format: write it as .3f, .3e, .6g, d, 05d, s or 12s (E and G for capitals)"
            )
        };
        let mut format = Self::PLAIN;
        let rest = text.trim_start_matches(['-', '+', '0']);
        for flag in text[..text.len() - rest.len()].chars() {
            match flag {
                '-' => format.left = true,
                '+' => format.plus = true,
                _ => format.zeros = true,
            }
        }
        let mut characters = rest.chars();
        format.conversion =
            characters.next_back().filter(|last| "feEgGds".contains(*last)).ok_or_else(rule)?;
        let (width, precision) = characters
            .as_str()
            .split_once('.')
            .map_or((characters.as_str(), None), |(width, precision)| (width, Some(precision)));
        let number = |digits: &str| match digits {
            "" => Ok(0),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|number| *number <= MOST)
                .ok_or_else(|| format!("{text:?}: width and precision must be at most {MOST}")),
            _ => Err(rule()),
        };
        format.width = number(width)?;
        if let Some(digits) = precision {
            format.precision = number(digits)?;
        }
        let is_plain = matches!(format.conversion, 'd' | 's') && precision.is_some();
        let is_text = format.conversion == 's' && (format.zeros || format.plus);
        if is_plain || is_text { Err(rule()) } else { Ok(format) }
    }

    /// Checks that values of a type can be written so.
    ///
    /// # Errors
    /// What the format is for.
    pub(super) fn check(self, kind: Type) -> Result<(), String> {
        let (fits, what) = match self.conversion {
            's' => (true, ""),
            'd' => (matches!(kind, Type::Int | Type::Bool), "integers and truth values"),
            _ => (matches!(kind, Type::Int | Type::Float), "numbers"),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("format {} is for {what}, and this is of type {}", self.conversion, kind.name()))
        }
    }

    /// Appends a value.
    pub(super) fn write(self, out: &mut Vec<u8>, value: ValueRef<'_>) {
        let (negative, text) = self.digits(value);
        let is_number = self.conversion != 's' && value != ValueRef::Null;
        let sign = match (negative, self.plus && is_number) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let missing = self.width.saturating_sub(text.chars().count() + sign.len());
        let (before, zeros, after) = match (self.left, self.zeros && is_number) {
            (true, _) => (0, 0, missing),
            (false, true) => (0, missing, 0),
            (false, false) => (missing, 0, 0),
        };
        out.extend(std::iter::repeat_n(b' ', before));
        out.extend_from_slice(sign.as_bytes());
        out.extend(std::iter::repeat_n(b'0', zeros));
        out.extend_from_slice(text.as_bytes());
        out.extend(std::iter::repeat_n(b' ', after));
    }

    /// Whether there is a minus, and the text without it.
    fn digits(self, value: ValueRef<'_>) -> (bool, String) {
        let float = match (value, self.conversion) {
            (ValueRef::Null, _) => return (false, String::new()),
            (ValueRef::Text(text), _) => return (false, text.to_owned()),
            (ValueRef::Bool(flag), 'd') => return (false, u8::from(flag).to_string()),
            (ValueRef::Int(int), 'd') => return (int < 0, int.unsigned_abs().to_string()),
            (ValueRef::Float(float), 'f' | 'e' | 'E' | 'g' | 'G') => float,
            (ValueRef::Int(int), 'f' | 'e' | 'E' | 'g' | 'G') => int as f64,
            (other, _) => {
                let mut text = Vec::new();
                write_plain(&mut text, other);
                return (false, String::from_utf8(text).expect("JSON is UTF-8"));
            }
        };
        let (magnitude, precision) = (float.abs(), self.precision);
        let text = match self.conversion {
            'f' => format!("{magnitude:.precision$}"),
            'e' | 'E' => {
                let (mantissa, exponent) = scientific(magnitude, precision);
                format!("{mantissa}e{exponent:+03}")
            }
            _ => general(magnitude, precision.max(1)),
        };
        (float < 0.0, if self.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text })
    }
}

fn scientific(magnitude: f64, precision: usize) -> (String, i32) {
    let text = format!("{magnitude:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').expect("a float in scientific notation");
    (mantissa.to_owned(), exponent.parse().expect("an exponent"))
}

/// `%g` with so many significant digits.
fn general(magnitude: f64, digits: usize) -> String {
    let (mantissa, exponent) = scientific(magnitude, digits - 1);
    let short = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    match usize::try_from(exponent + 4) {
        Ok(shifted) if shifted < digits + 4 => {
            let precision = digits + 3 - shifted;
            short(&format!("{magnitude:.precision$}"))
        }
        _ => format!("{}e{exponent:+03}", short(&mantissa)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const FLOATS: &[f64] = &[
        0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        0.125,
        1e-5,
        0.0001,
        123_456.0,
        1_234_567.0,
        999_999.5,
        9.999_999_9,
        1e21,
        1e100,
        -2.5e-300,
        3.25,
        -1234.5678,
        0.1,
    ];
    const FORMATS: &[&str] = &[
        "f", ".0f", ".3f", "12.3f", "-12.3f", "012.3f", "+.2f", "e", ".0e", ".3e", "14.6e", "E", "g", ".3g",
        ".0g", ".10g", "G", "015.4g", "+g",
    ];

    fn written(format: &str, value: ValueRef<'_>) -> String {
        let mut out = vec![];
        Format::read(format).unwrap().write(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// What the shell's `printf` writes for all of them, one a line.
    fn printf(cases: &[(&str, String)]) -> Vec<String> {
        let mut script = String::new();
        for (format, value) in cases {
            use std::fmt::Write;
            writeln!(script, "printf '%{format}\\n' '{value}'").unwrap();
        }
        let output = Command::new("/bin/sh").args(["-c", &script]).env("LC_ALL", "C").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn numbers_are_written_as_printf_writes_them() {
        let (mut cases, mut ours) = (vec![], vec![]);
        for format in FORMATS {
            for float in FLOATS {
                cases.push((*format, format!("{float:e}")));
                ours.push(written(format, ValueRef::Float(*float)));
            }
        }
        for format in ["d", "5d", "05d", "-5d", "+d", "020d"] {
            for int in [0, 7, -42, i64::MAX, i64::MIN] {
                cases.push((format, int.to_string()));
                ours.push(written(format, ValueRef::Int(int)));
            }
        }
        for (place, expected) in printf(&cases).iter().enumerate() {
            assert_eq!(&ours[place], expected, "{:?}", cases[place]);
        }
        assert_eq!(ours.len(), cases.len());
    }

    #[test]
    fn other_values_have_formats_too() {
        let cases = [
            ("s", ValueRef::Float(5.0), "5"),
            ("s", ValueRef::Float(0.1), "0.1"),
            ("8s", ValueRef::Text("é"), "       é"),
            ("-4s", ValueRef::Text("ab"), "ab  "),
            ("s", ValueRef::Bool(true), "true"),
            ("d", ValueRef::Bool(true), "1"),
            ("02d", ValueRef::Bool(false), "00"),
            (".2f", ValueRef::Int(3), "3.00"),
            ("s", ValueRef::Null, ""),
            ("+03d", ValueRef::Null, "   "),
        ];
        for (format, value, expected) in cases {
            assert_eq!(written(format, value), expected, "{format} of {value:?}");
        }
    }

    #[test]
    fn what_is_no_format_is_told() {
        for text in ["", "x", ".3", "3.f.2f", ".3d", "05s", "+s", ".2s", "1 0d", "é", "lf", ".3é"] {
            let problem = Format::read(text).unwrap_err();
            assert!(problem.contains("is not a format"), "{text}: {problem}");
        }
        assert!(Format::read("101d").unwrap_err().contains("at most 100"));
        let problem = Format::read("d").unwrap().check(Type::Float).unwrap_err();
        assert_eq!(problem, "format d is for integers and truth values, and this is of type float");
        assert!(Format::read(".3f").unwrap().check(Type::String).is_err());
        assert!(Format::read(".3f").unwrap().check(Type::Int).is_ok());
    }
}
