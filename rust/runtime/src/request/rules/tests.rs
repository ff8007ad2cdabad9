use super::*;

fn parameters() -> Vec<Parameter> {
    vec![
        Parameter::int("buffer", 0).at_least(0).at_most(100),
        Parameter::int("demand", 30),
        Parameter::string("mode", "fast").choices(&["fast", "slow"]).spellings(&[("quick", "fast")]),
        Parameter::float("price", 1.0),
        Parameter::float("tax", 0.0).nullable(),
    ]
}

fn rules(derived: &[(&str, &str)], constraints: &[&str]) -> Result<Rules, Refusal> {
    let derived = derived.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let constraints = constraints.iter().map(|text| (*text).to_owned()).collect();
    Rules::new(derived, constraints, &parameters(), &["demand"])
}

/// The parameters of the cell with this demand, and why it is not run: `excluded: …` or `code: …`.
fn applied(rules: &Rules, demand: i64) -> (Vec<String>, Option<String>) {
    let slots: Vec<_> = parameters().into_iter().map(Slot::of_default).collect();
    let mut values: Vec<_> = slots.iter().map(|slot| (slot.parameter.name, slot.parameter.default)).collect();
    values[1].1 = ValueRef::Int(demand);
    let barred = rules.apply(&slots, &mut values).map(|barred| match barred {
        Barred::Excluded(constraint) => format!("excluded: {constraint}"),
        Barred::Failed(error) => format!("{}: {}", error.code(), error.message()),
    });
    (values.iter().map(|(_, value)| Number(*value).to_string()).collect(), barred)
}

#[test]
fn derived_parameters_follow_those_that_they_need() {
    // `buffer` comes first by name, and needs `price`.
    let rules =
        rules(&[("buffer", "ceil(demand / 10) + floor(price)"), ("price", "demand * 2")], &[]).unwrap();
    let (values, barred) = applied(&rules, 31);
    assert_eq!((values[0].as_str(), values[3].as_str(), barred), ("66", "62", None));
}

#[test]
fn a_point_that_breaks_a_constraint_is_excluded_by_the_first() {
    let rules = rules(&[("buffer", "100 // demand")], &["demand > 0", "demand > 2", "buffer < 50"]).unwrap();
    let barred = |demand| applied(&rules, demand).1;
    assert_eq!(barred(-1).as_deref(), Some("excluded: demand > 0"));
    assert_eq!(barred(2).as_deref(), Some("excluded: demand > 2"));
    assert_eq!(barred(3), None);
    // A broken constraint comes before the failure of a derived parameter.
    let (values, barred) = applied(&rules, 0);
    assert_eq!((values[0].as_str(), barred.as_deref()), ("null", Some("excluded: demand > 0")));
}

#[test]
fn a_derived_value_that_is_none_or_not_allowed_fails_its_point() {
    let rules = rules(&[("buffer", "10 * (100 // demand)")], &["buffer < 1000"]).unwrap();
    let barred = |demand| applied(&rules, demand).1.unwrap();
    assert_eq!(
        barred(5),
        "invalid_derived_parameter: buffer = 200: must be >= 0, <= 100; it is 10 * (100 // demand)"
    );
    assert_eq!(
        barred(0),
        "invalid_derived_parameter: buffer = 10 * (100 // demand) has no value: division by zero"
    );
    assert_eq!(barred(1), "excluded: buffer < 1000");
    assert_eq!(applied(&rules, 50).1, None);
}

#[test]
fn a_constraint_without_a_value_fails_its_point() {
    let rules = rules(&[("tax", "if(demand > 1, null, price / demand)")], &["tax == null or 1 / tax > 0.5"]);
    let rules = rules.unwrap();
    assert_eq!(applied(&rules, 2).1, None);
    assert_eq!(applied(&rules, 1).1, None);
    let absent = "invalid_derived_parameter: tax = if(demand > 1, null, price / demand) has no value: division by zero";
    assert_eq!(applied(&rules, 0).1.unwrap(), absent);
    let rules = self::rules(&[], &["1 / demand > 0.5"]).unwrap();
    let undefined = "undefined_constraint: 1 / demand > 0.5 is neither true nor false: division by zero";
    assert_eq!(applied(&rules, 0).1.unwrap(), undefined);
}

#[test]
fn spellings_are_the_choices_that_they_mean() {
    let rules = rules(&[("mode", "if(demand > 30, 'QUICK', 'slow')")], &["mode == 'quick'"]).unwrap();
    assert_eq!(applied(&rules, 31), (applied(&rules, 31).0, None));
    assert_eq!(applied(&rules, 31).0[2], "\"fast\"");
    assert_eq!(applied(&rules, 1).1.as_deref(), Some("excluded: mode == 'quick'"));
}

/// Derived parameters, constraints, and what is wrong.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[test]
fn mistakes_name_the_parameter_the_place_and_a_remedy() {
    let cases: [Case; 11] = [
        (&[("bufer", "1")], &[], "unknown parameter \"bufer\"; did you mean \"buffer\"?"),
        (&[("demand", "1")], &[], "demand is both a dimension and derived"),
        (
            &[("buffer", "2 * demnd")],
            &[],
            "buffer = \"2 * demnd\", character 5: unknown parameter \"demnd\"; did you mean \"demand\"?",
        ),
        (
            &[("buffer", "demand / 2")],
            &[],
            "buffer = \"demand / 2\": must be a whole number, and is a number; ceil, floor or round makes one",
        ),
        (&[("price", "demand > 1")], &[], "price = \"demand > 1\": must be a number, and is true or false"),
        (&[("price", "null")], &[], "price = \"null\": must be a number, and is null"),
        (&[("price", "price + 1")], &[], "price needs itself: price -> price"),
        (
            &[("buffer", "floor(price)"), ("price", "tax"), ("tax", "buffer * 2")],
            &[],
            "buffer needs itself: buffer -> price -> tax -> buffer",
        ),
        (&[], &["demand + 1"], "constraint = \"demand + 1\": must be true or false, and is a whole number"),
        (
            &[],
            &["demand > 1", "mode == 'slo'"],
            "constraint = \"mode == 'slo'\", character 9: mode is never \"slo\"; did you mean \"slow\"?",
        ),
        (&[], &["demand >"], "constraint = \"demand >\", character 9: expected a value, found the end"),
    ];
    for (derived, constraints, problem) in cases {
        let refusal = rules(derived, constraints).err().unwrap();
        assert_eq!(refusal.message, problem);
    }
    assert!(rules(&[], &["demand > 1"; 257]).err().unwrap().message.contains("at most 256"));
}
