use super::*;
use crate::value::Value;

/// x = 7, y = 2.5, big = 2^63 - 1, on = true, off = false, mode = "fast" (or "slow"), gone = null.
struct Names;

const NAMES: [(&str, ExpressionType, bool); 7] = [
    ("x", ExpressionType::Int, false),
    ("y", ExpressionType::Float, false),
    ("big", ExpressionType::Int, false),
    ("on", ExpressionType::Bool, false),
    ("off", ExpressionType::Bool, false),
    ("mode", ExpressionType::Text, false),
    ("gone", ExpressionType::Float, true),
];

impl Scope for Names {
    fn find(&self, name: &str) -> Result<Variable, String> {
        let number = NAMES.iter().position(|(known, ..)| *known == name);
        let number = number.ok_or_else(|| format!("unknown parameter {name:?}"))?;
        let (_, kind, nullable) = NAMES[number];
        Ok(Variable { number, kind, nullable })
    }

    fn meant(&self, _: usize, text: &str) -> Result<Box<str>, String> {
        match text.to_lowercase().as_str() {
            meant @ ("fast" | "slow") => Ok(meant.into()),
            _ => Err(format!("mode is never {text:?}")),
        }
    }
}

fn of<'a>(number: usize) -> ValueRef<'a> {
    match number {
        0 => ValueRef::Int(7),
        1 => ValueRef::Float(2.5),
        2 => ValueRef::Int(i64::MAX),
        3 => ValueRef::Bool(true),
        4 => ValueRef::Bool(false),
        5 => ValueRef::Text("fast"),
        _ => ValueRef::Null,
    }
}

fn value(text: &str) -> Result<Value, String> {
    let expression = Expression::parse(text, &Names).map_err(|mistake| format!("{text}: {mistake:?}"))?;
    expression.value(&|number| Some(of(number))).map(ValueRef::into_owned).map_err(|why| why.to_string())
}

#[track_caller]
fn is(text: &str, expected: impl Into<ValueRef<'static>>) {
    assert_eq!(value(text), Ok(expected.into().into_owned()), "{text}");
}

#[track_caller]
fn has_no_value(text: &str, why: &str) {
    assert_eq!(value(text), Err(why.to_owned()), "{text}");
}

#[track_caller]
fn is_wrong(text: &str, place: usize, problem: &str) {
    let mistake = Expression::parse(text, &Names).unwrap_err();
    assert_eq!((mistake.place, mistake.problem.as_str()), (place, problem), "{text}");
}

#[test]
fn whole_numbers_stay_whole_and_a_float_makes_a_float() {
    is("1 + 2 * 3", 7);
    is("(1 + 2) * 3", 9);
    is("x - 10", -3);
    is("x * y", 17.5);
    is("7 / 2", 3.5);
    is("6 / 2", 3.0);
    is("x // 2", 3);
    is("-x // 2", -4);
    is("x // -2", -4);
    is("-x % 3", 2);
    is("x % -3", -2);
    is("2 ** 3", 8.0);
    is("-2 ** 2", -4.0);
    is("2 ** 3 ** 2", 512.0);
    is("2 ** -1", 0.5);
    is("9007199254740993 + 0", 9_007_199_254_740_993);
    is("1e3", 1000.0);
    is(".5 + 1.", 1.5);
    is("+x - -x", 14);
}

#[test]
fn functions_round_as_their_names_say() {
    is("ceil(2.1)", 3);
    is("ceil(0.07 * 100)", 8); // 0.07 * 100 is slightly more than 7
    is("ceil(7 * 100 / 100)", 7);
    is("floor(-2.5)", -3);
    is("round(2.5)", 2);
    is("round(3.5)", 4);
    is("round(x)", 7);
    is("abs(-x)", 7);
    is("abs(-y)", 2.5);
    is("sqrt(16)", 4.0);
    is("exp(0)", 1.0);
    is("log(1)", 0.0);
    is("log10(1000)", 3.0);
    is("min(x, 3, 9)", 3);
    is("max(x, y)", 7.0);
    is("if(on, 1, 2)", 1);
    is("if(off, 1, 2.5) + 1", 3.5);
    is("if(on, 1, 2.5)", 1.0);
    is("if(mode == 'slow', 'a', 'b')", "b");
}

#[test]
fn comparisons_and_words() {
    is("x == 7.0", true);
    is("1 < x <= 7 < 8", true);
    is("1 < x < 7", false);
    is("x != 7 or y > 2", true);
    is("not x > 7 and on", true);
    is("not (on and off)", true);
    is("on == off", false);
    is("off or on and off", false);
    is("mode == \"FAST\"", true);
    is("'slow' != mode", true);
    is("gone == null", true);
    is("gone != null", false);
    is("gone == 1.0", false);
}

#[test]
fn one_side_that_decides_is_enough() {
    is("off and 1 / 0 > 1", false);
    is("1 / 0 > 1 and off", false);
    is("on or 1 // 0 > 1", true);
    is("1 // 0 > 1 or on", true);
    has_no_value("on and 1 / 0 > 1", "division by zero");
    has_no_value("1 / 0 > 1 or off", "division by zero");
    is("if(x > 0, x, x // 0)", 7);
}

#[test]
fn what_has_no_value_says_why() {
    has_no_value("x / 0", "division by zero");
    has_no_value("x // 0", "division by zero");
    has_no_value("x % 0", "division by zero");
    has_no_value("y / (y - 2.5)", "division by zero");
    has_no_value("big + 1", "a whole number is beyond 64 bits");
    has_no_value("big * 2", "a whole number is beyond 64 bits");
    has_no_value("-(-big - 1)", "a whole number is beyond 64 bits");
    has_no_value("(-big - 1) // -1", "a whole number is beyond 64 bits");
    has_no_value("floor(1e19)", "a whole number is beyond 64 bits");
    has_no_value("sqrt(-1)", "a result is not a finite number");
    has_no_value("log(0)", "a result is not a finite number");
    has_no_value("10.0 ** 400", "a result is not a finite number");
    has_no_value("gone + 1", "a value is null");
    has_no_value("gone > 1", "a value is null");
}

#[test]
fn zero_has_no_sign() {
    let Ok(Value::Float(zero)) = value("-(y - 2.5)") else { panic!() };
    assert!(zero.is_sign_positive());
}

#[test]
fn a_mistake_has_its_place() {
    is_wrong("0.1 * z", 6, "unknown parameter \"z\"");
    is_wrong("é + 1", 0, "'é' is not a part of expressions");
    is_wrong("'é' == z", 7, "unknown parameter \"z\"");
    is_wrong("x = 7", 2, "'=' is not a part of expressions; for equality write ==");
    is_wrong("on && off", 3, "'&' is not a part of expressions; write `and`");
    is_wrong("on == True", 6, "write true");
    is_wrong("x ^ 2", 2, "'^' is not a part of expressions; for a power write **");
    is_wrong("(x + 1", 6, "expected ), found the end");
    is_wrong("x + ", 4, "expected a value, found the end");
    is_wrong("x x", 2, "expected an operator or the end, found `x`");
    is_wrong("", 0, "expected a value, found the end");
    is_wrong("1_000", 0, "\"1_000\" is not a number");
    is_wrong("1e", 0, "\"1e\" is not a number");
    is_wrong("1.2.3", 0, "\"1.2.3\" is not a number");
    is_wrong("9223372036854775808", 0, "9223372036854775808 is beyond 64 bits: write 9223372036854775808.0");
    is_wrong("1e999", 0, "1e999 is too large");
    is_wrong("mode == 'fast", 8, "the text has no closing '");
    is_wrong(
        "ceiling(y)",
        0,
        "unknown function \"ceiling\"; there are abs, ceil, exp, floor, if, log, log10, max, min, round, sqrt",
    );
    is_wrong("ceil(y, 1)", 0, "ceil takes 1 value, not 2");
    is_wrong("if(on, 1)", 0, "if takes 3 values, not 2");
    is_wrong("min(x)", 0, "takes two or more numbers");
    is_wrong(&"(".repeat(100), 64, "nested more than 64 deep");
    is_wrong(&"x+".repeat(600), 1000, "an expression has at most 1000 characters");
}

#[test]
fn types_are_checked() {
    is_wrong("on + 1", 0, "must be a number, and is true or false");
    is_wrong("x and on", 0, "must be true or false, and is a whole number");
    is_wrong("not x", 4, "must be true or false, and is a whole number");
    is_wrong("mode < 'a'", 7, "mode is never \"a\"");
    is_wrong("mode < 'fast'", 5, "only numbers have an order; this is a text");
    is_wrong("on < off", 3, "only numbers have an order; this is true or false");
    is_wrong("x == mode", 2, "compares a whole number with a text");
    is_wrong("x == null", 2, "compares with null what is never null");
    is_wrong("gone < null", 5, "only numbers have an order; this is a number");
    is_wrong("y // 2", 2, "takes whole numbers; of others, write floor(a / b)");
    is_wrong("if(on, 1, 'a')", 0, "both values of if must be alike: a whole number and a text");
    is_wrong("ceil(null)", 5, "must be a number, and is null");
}

#[test]
fn the_names_and_the_type_are_known() {
    let found = Expression::parse("max(y, x) > gone or x == 1", &Names).unwrap();
    assert_eq!((found.variables(), found.kind()), (&[0, 1, 6][..], Some(ExpressionType::Bool)));
    assert_eq!(Expression::parse("null", &Names).unwrap().kind(), None);
    assert_eq!(Expression::parse("if(on, null, y)", &Names).unwrap().kind(), Some(ExpressionType::Float));
    let absent = Expression::parse("x + 1", &Names).unwrap();
    assert_eq!(absent.value(&|_| None).unwrap_err().to_string(), "a parameter has no value");
}
