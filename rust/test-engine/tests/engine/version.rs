//! An engine reports the version of its own crate, which is not the runtime's.

use std::process::Command;

use crate::ENGINE;
use crate::common::{lines, parsed, request};
use serde_json::json;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn an_engine_reports_its_own_version() {
    let answer = |argument| {
        let output = Command::new(ENGINE).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(answer("--version"), format!("sweep-test-engine {VERSION}\n"));
    assert_eq!(parsed(&answer("describe"))["engine_version"], VERSION);
    for command in ["run", "host", "points"] {
        let lines = lines(ENGINE, command, &request("typed", &json!({}), 1).to_string());
        assert_eq!(parsed(&lines[0])["engine_version"], VERSION);
    }
    assert_eq!(VERSION, "0.0.7");
}
