//! Fuzzing of the request parser: whatever the bytes are, it plans or refuses, quickly and in little memory.
//!
//! It takes three seconds in a test run. With `SWEEP_FUZZ_SECONDS=600` it runs longer, and keeps inputs that
//! get a new kind of answer in `fuzz/`. It prints its seed; `SWEEP_FUZZ_SEED` repeats one.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sweep_space::Streams;

use crate::model::catalog::Catalog;
use crate::model::declaration::{Column, Dataset, Declaration, Parameter};
use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::model::{Model, Parameters};
use crate::request::plan::{Mode, Plan};
use crate::request::read_line;

/// For one input of up to 64 KiB; typical are about ten microseconds.
const MOST_TIME: Duration = Duration::from_secs(2);
const MOST_KIB: u64 = 512 << 10;
const LONGEST: usize = 1 << 16;
const LONGEST_KEPT: usize = 2_000;
const MOST_KEPT: u64 = 50;
const POINTS_OF_A_PLAN: u64 = 3;
const TOKENS: [&str; 32] = [
    "null",
    "true",
    "NaN",
    "1e999",
    "-0",
    "-0.0",
    "1e-400",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "01",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "{}",
    "[]",
    ",",
    ":",
    "\"kind\":\"zip\",",
    "\"samples\":4294967297,",
    "{\"linspace\":{\"start\":0,\"stop\":1,\"num\":9}}",
    "{\"logspace\":{\"start\":-400,\"stop\":400,\"num\":3}}",
    "{\"range\":{\"start\":0,\"stop\":1e300,\"step\":1e-300}}",
    "{\"normal\":{\"mean\":0,\"std\":1e308}}",
    "{\"choice\":[]}",
    "\"scramble\":true,",
    "\"columns\":true,",
    "\"known\":[{\"point_index\":0,\"metrics\":{\"m\":1}}],",
    "\"flag\"",
    "\"text\"",
];

/// A parameter of every type, under the names that the corpus has.
struct Toy;

impl Model for Toy {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        Declaration::new("queue", "1", "a model of every type")
            .parameter(Parameter::float("arrival_rate", 0.5).doc("a float"))
            .parameter(Parameter::float("service_rate", 1.0).at_least(0.0).doc("a float within bounds"))
            .parameter(Parameter::int("servers", 1).at_least(1).doc("an integer within bounds"))
            .parameter(Parameter::int("customers", 9).null_by_default().doc("an integer or null"))
            .parameter(Parameter::bool("flag", false).doc("a truth value"))
            .parameter(Parameter::string("text", "").doc("a text"))
            .metric(Column::float("m"))
            .dataset(Dataset::new("parts", "rows").column(Column::int("p")))
    }

    fn run(&self, _: &Parameters<'_>, _: &Streams, (): &mut (), _: &mut Output) -> Result<(), DomainError> {
        Ok(())
    }
}

static MODELS: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new("1", &[&Toy], vec![]).expect("a valid declaration"));

/// A small random generator, seeded so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % below.max(1) as u64).expect("below a usize")
    }

    fn mutate(&mut self, text: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut text = text.to_vec();
        // Half of them stay well-formed, mostly: what is refused at once says nothing of what comes later.
        let gently = self.next(2) == 0;
        for _ in 0..[1, 1, 1, 2, 5][self.next(5)] {
            let (at, other) = (self.next(text.len() + 1), &corpus[self.next(corpus.len())]);
            match if gently { 8 } else { self.next(8) } {
                0 if at < text.len() => text[at] ^= 1 << self.next(8),
                1 => drop(text.drain(at..(at + [1, 2, 8, 64][self.next(4)]).min(text.len()))),
                2 => {
                    let part =
                        text[at..(at + 1 + self.next(64)).min(text.len())].repeat([1, 2, 60][self.next(3)]);
                    drop(text.splice(at..at, part));
                }
                3 => drop(text.splice(at..at, TOKENS[self.next(TOKENS.len())].bytes())),
                4 => drop(
                    text.splice(at..at, ["[", "{\"a\":"][self.next(2)].repeat(self.next(300)).into_bytes()),
                ),
                5 => {
                    text.truncate(at);
                    text.extend_from_slice(&other[self.next(other.len() + 1)..]);
                }
                _ => self.exchange(&mut text, other, gently),
            }
            text.truncate(LONGEST);
        }
        text
    }

    /// Replaces a token by one from elsewhere: by any, or by one that is written in the same way.
    fn exchange(&mut self, text: &mut Vec<u8>, other: &[u8], alike: bool) {
        let mine = tokens(text);
        if mine.is_empty() {
            return;
        }
        let (start, end) = mine[self.next(mine.len())];
        let others: Vec<&[u8]> = if self.next(2) == 0 {
            TOKENS.map(str::as_bytes).to_vec()
        } else {
            tokens(other).into_iter().map(|(from, to)| &other[from..to]).collect()
        };
        let fitting: Vec<_> =
            others.into_iter().filter(|new| !alike || kind_of(new) == kind_of(&text[start..end])).collect();
        if !fitting.is_empty() {
            text.splice(start..end, fitting[self.next(fitting.len())].iter().copied());
        }
    }
}

/// How a token is written: whether it opens and closes a string, and whether it is a number.
fn kind_of(token: &[u8]) -> (bool, bool, bool) {
    let is_quote = |byte: Option<&u8>| byte == Some(&b'"');
    let is_number = token.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
    (is_quote(token.first()), is_quote(token.last()), is_number)
}

/// Where a text's words, numbers and strings are.
fn tokens(text: &[u8]) -> Vec<(usize, usize)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"\"_.+-".contains(&byte);
    let mut found = Vec::new();
    let mut start = None;
    for (place, &byte) in text.iter().chain(b" ").enumerate() {
        match (start, is_word(byte)) {
            (None, true) => start = Some(place),
            (Some(from), false) => {
                found.push((from, place));
                start = None;
            }
            _ => (),
        }
    }
    found
}

/// Plans a request and decodes its first points. Returns the kind of answer: the message without the input's
/// own text.
fn answer(text: &[u8]) -> String {
    let line = match read_line(&mut &*text).expect("memory can be read") {
        Ok(line) => line,
        Err(refusal) => return refusal.message,
    };
    match Plan::new(&MODELS, Mode::Simulate, &line) {
        Err(refusal) => {
            assert!(refusal.message.chars().count() <= 3_000, "a message that grows with its input");
            // Quoted text and numbers come from the input, and so may the path at the start.
            let message = refusal.message.split(" at line ").next().unwrap_or_default();
            let outside = message.split(['"', '`']).step_by(2).collect::<String>();
            let words: String =
                outside.chars().filter(|letter| *letter == ' ' || letter.is_ascii_lowercase()).collect();
            format!("{:?} {}", refusal.error_code, &words[words.len().saturating_sub(24)..])
        }
        Ok(plan) => {
            let mut values = Vec::new();
            for index in plan.points.clone().take(usize::try_from(POINTS_OF_A_PLAN).expect("few")) {
                plan.fill(plan.numbering.split(index).0, &mut values);
            }
            format!("planned {}", values.len())
        }
    }
}

fn is_plan(answer: &str) -> bool {
    answer.starts_with("planned")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is mutated, and the kinds of answer to it.
#[derive(Default)]
struct Corpus {
    texts: Vec<Vec<u8>>,
    /// Those that are valid requests.
    sound: Vec<usize>,
    answers: BTreeSet<String>,
}

impl Corpus {
    fn kept() -> Self {
        let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut corpus = Self::default();
        for text in paths.iter().map(|path| fs::read(path).unwrap()) {
            let found = answer(&text);
            corpus.add(text, found);
        }
        corpus
    }

    fn add(&mut self, text: Vec<u8>, answer: String) {
        if is_plan(&answer) {
            self.sound.push(self.texts.len());
        }
        self.texts.push(text);
        self.answers.insert(answer);
    }

    /// Mostly of a valid request: mutations of a refused one are mostly refused, too.
    fn mutation(&self, dice: &mut Dice) -> Vec<u8> {
        let is_any = dice.next(3) == 0;
        let place =
            if is_any { dice.next(self.texts.len()) } else { self.sound[dice.next(self.sound.len())] };
        dice.mutate(&self.texts[place], &self.texts)
    }
}

/// This process's peak memory, KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

mod slow {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "this test measures time")]
    fn whatever_comes_is_planned_or_refused() {
        let given = |name| -> Option<u64> { std::env::var(name).ok().map(|text| text.parse().unwrap()) };
        let asked = given("SWEEP_FUZZ_SECONDS");
        let seed = given("SWEEP_FUZZ_SEED").unwrap_or(if asked.is_some() {
            u64::from(std::process::id())
        } else {
            0
        });
        println!("seed {seed}");
        let (began_at, for_long) = (Instant::now(), Duration::from_secs(asked.unwrap_or(3)));
        let (mut corpus, mut dice) = (Corpus::kept(), Dice(seed));
        let (mut inputs, mut planned, mut slowest, mut kept) = (0_u64, 0_u64, Duration::ZERO, 0);
        while began_at.elapsed() < for_long {
            let text = corpus.mutation(&mut dice);
            let asked_at = Instant::now();
            let shown = || text.escape_ascii().to_string();
            let found = catch_unwind(|| answer(&text)).unwrap_or_else(|_| panic!("it panics: {}", shown()));
            slowest = slowest.max(asked_at.elapsed());
            assert!(asked_at.elapsed() < MOST_TIME, "it takes {:?}: {}", asked_at.elapsed(), shown());
            inputs += 1;
            planned += u64::from(is_plan(&found));
            if text.len() <= LONGEST_KEPT && kept < MOST_KEPT && !corpus.answers.contains(&found) {
                if asked.is_some() {
                    fs::write(folder().join(format!("{:016x}.json", seed << 32 | kept)), &text).unwrap();
                }
                kept += 1;
                corpus.add(text, found);
            }
        }
        assert!(peak() < MOST_KIB, "it took {} KiB", peak());
        assert!(planned > 10, "{planned} of {inputs}");
        println!(
            "{inputs} inputs, {planned} planned, {} kinds of answer, {kept} new ones, slowest {slowest:?}",
            corpus.answers.len()
        );
    }
}
