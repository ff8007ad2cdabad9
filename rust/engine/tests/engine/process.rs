//! The engine as a process: its command line, its parent, and its memory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::ENGINE;
use crate::common::{lines, parsed, request, start, with};
use serde_json::{Value, json};

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(ENGINE).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Cheap points without end.
fn endless() -> Value {
    let rates: Vec<f64> = (1..=1000).map(f64::from).collect();
    let total = 1_000_000_u64 << 32;
    let request = request("queue", &json!({"arrival_rate": rates, "service_rate": rates}), total);
    with(&request, &json!({"replications": 1_u64 << 32, "base": {"customers": 1}}))
}

#[test]
fn the_command_line() {
    assert_eq!(
        output(&["--version"]),
        (Some(0), format!("sweep-engine {}\n", env!("CARGO_PKG_VERSION")), String::new())
    );
    let (status, help, errors) = output(&["--help"]);
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    assert!(help.contains("queue, epidemic") && help.contains("sweep-engine run < request.json"));
    for wrong in [&[][..], &["fly"], &["run", "fast"], &["--version", "run"]] {
        assert_eq!(output(wrong), (Some(2), String::new(), help.clone()));
    }
}

#[test]
fn describe_names_every_model() {
    let (status, text, _) = output(&["describe"]);
    assert_eq!(status, Some(0));
    let description: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<_> = text.split('"').skip(1).step_by(2).take(6).collect();
    assert_eq!(keys, ["protocol", "v1", "engine_version", "0.1.0", "target", keys[5]]);
    let names: Vec<_> =
        description["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["queue", "epidemic", "ridehail"]);
    let rate = &description["models"][0]["parameters"][0];
    assert_eq!(rate["default"], 0.8);
    assert_eq!(rate["exclusive_minimum"], 0.0);
    assert_eq!(rate["minimum"], Value::Null);
    assert_eq!(rate["range"], "> 0, <= 1000000000");
}

#[test]
fn started_and_finished() {
    let lines =
        lines(ENGINE, "run", &request("epidemic", &json!({"initial_infected": [1, 5000]}), 2).to_string());
    assert_eq!(
        lines[0],
        concat!(
            r#"{"record":"started","protocol":"v1","engine_version":"0.1.0","model":"epidemic","#,
            r#""model_version":"1","parameters":{"initial_infected":"int","population":"int","r0":"float"},"#,
            r#""metrics":{"attack_rate":"float","events":"int","new_infections":"int","#,
            r#""peak_infected":"int"},"datasets":{}}"#,
        )
    );
    let failure = parsed(&lines[2]);
    assert_eq!(failure["error_code"], "too_many_infected");
    assert_eq!(failure["error_message"], "initial_infected = 5000 must be at most population = 1000");
    assert_eq!(lines[3], r#"{"record":"finished","points":2,"succeeded":1,"failed":1}"#);
}

#[test]
fn an_engine_whose_parent_is_gone_ends() {
    let (mut child, input) = start(ENGINE, "run", endless().to_string().as_bytes());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(input);
    // Whether it is writing or not.
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let mut errors = String::new();
    child.stderr.unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.contains("standard input closed") && errors.contains("< request.json"), "{errors}");
}

/// Reads the lines of one answer of an engine that goes on.
fn answer(output: &mut impl std::io::BufRead) -> Vec<String> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "{lines:?}");
        let is_last =
            line.starts_with(r#"{"record":"finished""#) || line.starts_with(r#"{"record":"refused""#);
        lines.push(line.trim_end().to_owned());
        if is_last {
            return lines;
        }
    }
}

#[test]
fn one_engine_answers_request_after_request_as_many_engines_do() {
    let requests = [
        request("queue", &json!({"servers": [1, 2, 3]}), 3),
        request("epidemic", &json!({"initial_infected": [1, 5000]}), 2),
        with(&request("queue", &json!({"servers": [1, 2, 3]}), 3), &json!({"threads": 1, "seed": 7})),
        request("queue", &json!({"servers": [1, 2, 3]}), 3),
    ];
    let (mut child, mut input) = start(ENGINE, "run --again", requests[0].to_string().as_bytes());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for (number, request) in requests.iter().enumerate() {
        if number > 0 {
            writeln!(input, "{request}").unwrap();
        }
        assert_eq!(answer(&mut output), lines(ENGINE, "run", &request.to_string()));
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_engine_that_refuses_a_request_answers_no_other() {
    let (mut child, input) = start(ENGINE, "run --again", b"{}");
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(parsed(&answer(&mut output)[0])["error_code"], "bad_request");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(input);
}

#[test]
fn an_engine_whose_parent_is_gone_in_a_later_request_ends() {
    let first = request("queue", &json!({"servers": [1]}), 1);
    let (mut child, mut input) = start(ENGINE, "run --again", first.to_string().as_bytes());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    answer(&mut output);
    writeln!(input, "{}", endless()).unwrap();
    output.read_line(&mut String::new()).unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn requests_in_a_file_need_no_parent() {
    let path = std::env::temp_dir().join(format!("sweep-requests-{}.json", std::process::id()));
    let request = request("queue", &json!({"servers": [1, 2, 3]}), 3).to_string();
    fs::write(&path, format!("{request}\n{request}")).unwrap();
    let output =
        Command::new(ENGINE).args(["run", "--again"]).stdin(File::open(&path).unwrap()).output().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(),
        [lines(ENGINE, "run", &request), lines(ENGINE, "run", &request)].concat()
    );
}

#[test]
fn an_engine_whose_reader_is_gone_ends_quietly() {
    let (mut child, input) = start(ENGINE, "run", endless().to_string().as_bytes());
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    drop(input);
}

#[test]
fn a_request_in_a_file_needs_no_parent() {
    let path = std::env::temp_dir().join(format!("sweep-request-{}.json", std::process::id()));
    let request = request("queue", &json!({"servers": [1, 2, 3]}), 3);
    // Also without a newline at the end.
    fs::write(&path, request.to_string()).unwrap();
    let output = Command::new(ENGINE).arg("run").stdin(File::open(&path).unwrap()).output().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(),
        lines(ENGINE, "run", &request.to_string())
    );
}

#[cfg(target_os = "linux")]
mod slow {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// A reader that does not read makes the engine wait, not grow: 32 MiB of records, and what is at work.
    #[test]
    fn memory_is_bounded_whatever_the_shards_size() {
        let request = with(&endless(), &json!({"threads": 4}));
        let (mut child, input) = start(ENGINE, "run", request.to_string().as_bytes());
        let memory = |field: &str| {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let line = status.lines().find(|line| line.starts_with(field)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let processor_time = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            let fields: Vec<_> =
                stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        let waits = (0..120).any(|_| {
            let before = processor_time();
            sleep(Duration::from_millis(500));
            let peak = memory("VmHWM:");
            assert!(peak < 64 << 10, "{peak} KiB");
            // It holds records, and does not spin: at most one tick of 10 ms.
            peak > 16 << 10 && processor_time() - before <= 1
        });
        assert!(waits, "a minute of work for a reader that does not read");
        child.kill().unwrap();
        child.wait().unwrap();
        drop(input);
    }
}
