//! Runs an engine as a parent does: one request in, lines out, standard input kept open.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::{Value, json};

/// A request with all fields, for a test to change.
pub(crate) fn request(model: &str, dimensions: &Value, points: u64) -> Value {
    json!({
        "protocol": "v1", "model": model, "design": {"kind": "grid", "dimensions": dimensions}, "base": {},
        "replications": 1, "seed": 42, "outputs": [], "start_index": 0, "end_index_exclusive": points,
        "threads": 2,
    })
}

/// The same request with other fields.
pub(crate) fn with(request: &Value, fields: &Value) -> Value {
    let mut changed = request.clone();
    changed.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    changed
}

/// Starts an engine with a request. Standard input stays open while the returned handle lives.
pub(crate) fn start(engine: &str, command: &str, request: &[u8]) -> (Child, ChildStdin) {
    let mut child = Command::new(engine)
        .args(command.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(request).unwrap();
    input.write_all(b"\n").unwrap();
    (child, input)
}

/// Runs a request until the engine exits.
pub(crate) fn finish(engine: &str, command: &str, request: &[u8]) -> Output {
    let (child, input) = start(engine, command, request);
    let output = child.wait_with_output().unwrap();
    drop(input);
    output
}

/// The lines of the answer to a request, which must succeed.
pub(crate) fn lines(engine: &str, command: &str, request: &str) -> Vec<String> {
    let output = finish(engine, command, request.as_bytes());
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The lines between `started` and `finished`.
pub(crate) fn records(engine: &str, command: &str, request: &Value) -> Vec<String> {
    let mut lines = lines(engine, command, &request.to_string());
    assert!(lines[0].starts_with(r#"{"record":"started","#), "{}", lines[0]);
    assert!(lines[lines.len() - 1].starts_with(r#"{"record":"finished","#), "{}", lines[lines.len() - 1]);
    lines.pop();
    lines.remove(0);
    lines
}

/// A line as a value.
pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
