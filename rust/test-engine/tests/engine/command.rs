//! Programs of one process a point, run by an engine as any other model.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::ENGINE;
use crate::common::{parsed, request, with};
use serde_json::{Value, json};

/// A folder with a program, and one for its points.
struct Bench(PathBuf);

impl Bench {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("sweep-command-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("points")).unwrap();
        for (file, text) in files {
            fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    fn start(&self, request: &Value) -> (Child, ChildStdin) {
        let mut engine = Command::new(ENGINE)
            .arg("--program")
            .arg(self.0.join("m.toml"))
            .arg("run")
            .env("TMPDIR", self.0.join("points"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = engine.stdin.take().unwrap();
        input.write_all(format!("{request}\n").as_bytes()).unwrap();
        (engine, input)
    }

    /// The point records of a request.
    fn points(&self, request: &Value) -> Vec<Value> {
        let (engine, input) = self.start(request);
        let output = engine.wait_with_output().unwrap();
        drop(input);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(parsed).filter(|record| record["record"] == "point").collect()
    }

    /// The working folders that there are.
    fn folders(&self) -> usize {
        fs::read_dir(self.0.join("points")).unwrap().count()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MANIFEST: &str = r#"
name = "shell"
version = "1"
command = ["sh", "{dir}/run.sh", "${mode}", "${x}"]
[parameters]
mode = "ok"
x = 0
[metrics]
half = { type = "float", pattern = 'half (\S+)' }
"#;

const SCRIPT: &str = r#"
case $1$2 in
crash3) kill -11 $$ ;;
hang3) echo $$ > "${0%/*}/hanging.new"; mv "${0%/*}/hanging.new" "${0%/*}/hanging"; exec sleep 600 ;;
exit3) echo no fuel >&2; exit 5 ;;
edit3) echo '# edited' >> "${0%/*}/m.toml"; kill -11 $$ ;;
esac
echo half $(($2 / 2)).$(($2 % 2 * 5))
"#;

fn shell(mode: &str) -> Value {
    let numbers: Vec<usize> = (0..20).collect();
    with(&request("shell", &json!({"x": numbers}), 20), &json!({"base": {"mode": mode}}))
}

#[test]
fn one_point_cannot_take_others_along() {
    let bench = Bench::new("faults", &[("m.toml", MANIFEST), ("run.sh", SCRIPT)]);
    let cases = [
        ("ok", Value::Null, ""),
        ("exit", json!("exit_status"), "exited with status 5: no fuel"),
        ("crash", json!("point_crashed"), "its process exited with status 1: "),
        ("hang", json!("point_timeout"), "it ran for more than 3 s"),
    ];
    for (mode, code, message) in cases {
        let points = bench.points(&with(&shell(mode), &json!({"limits": {"point_seconds": 3}})));
        assert_eq!(points.len(), 20);
        for (x, point) in points.iter().enumerate() {
            if x == 3 && mode != "ok" {
                assert_eq!(point["error_code"], code, "{point}");
                let said = point["error_message"].as_str().unwrap();
                assert!(said.starts_with(message), "{said:?} does not begin with {message:?}");
                assert!(mode != "crash" || said.contains("was ended by signal 11 (SIGSEGV"), "{said:?}");
            } else {
                assert_eq!(point["metrics"]["half"].as_f64(), Some(x as f64 / 2.0), "{point}");
            }
        }
        // That of a program that was killed is removed at the next start, which may have been the second thread's.
        assert!(bench.folders() <= usize::from(mode == "hang"), "{mode}");
    }
    assert_eq!(bench.points(&shell("ok")).len(), 20);
    assert_eq!(bench.folders(), 0);
}

#[test]
fn what_is_no_points_fault_ends_the_engine() {
    let bench = Bench::new("ended", &[("m.toml", MANIFEST), ("run.sh", SCRIPT)]);
    let status = |request: Value| {
        let (engine, input) = bench.start(&request);
        let output = engine.wait_with_output().unwrap();
        drop(input);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = status(shell("edit"));
    assert_eq!(code, Some(78));
    assert!(told.contains("m.toml was changed or removed while the program ran"), "{told}");
    fs::remove_dir_all(bench.0.join("points")).unwrap();
    let (code, told) = status(shell("ok"));
    assert_eq!(code, Some(78));
    assert!(told.contains("cannot make a working folder in /"), "{told}");
}

#[test]
fn a_program_ends_with_its_engine() {
    for kill in [false, true] {
        let bench =
            Bench::new(if kill { "killed" } else { "closed" }, &[("m.toml", MANIFEST), ("run.sh", SCRIPT)]);
        let (mut engine, input) = bench.start(&shell("hang"));
        let marker = bench.0.join("hanging");
        while !marker.exists() {
            sleep(Duration::from_millis(5));
        }
        if kill {
            engine.kill().unwrap();
        }
        drop(input);
        engine.wait().unwrap();
        let program = fs::read_to_string(&marker).unwrap();
        while is_running(program.trim()) {
            sleep(Duration::from_millis(5));
        }
    }
}

fn is_running(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

const CANNON: &str = r#"
#include <stdio.h>
int main(int count, char **words) {
    double speed, angle, time, height = 0;
    FILE *in = fopen("shot.in", "r"), *out = fopen("shot.csv", "w");
    if (count != 2 || !in || !out || fscanf(in, " SPEED = %lf\n ANGLE = %lf", &speed, &angle) != 2) {
        fprintf(stderr, "no input\n");
        return 2;
    }
    fprintf(out, "time,height\n");
    for (time = 0; height >= 0; time += 0.25) {
        fprintf(out, "%.2f,%.3f\n", time, height);
        height = angle * speed * (time + 0.25) - 5 * (time + 0.25) * (time + 0.25);
    }
    fclose(out);
    out = fopen(words[1], "w");
    fprintf(out, "{\"flight\": %.2f, \"range\": %g}\n", time - 0.25, speed * (time - 0.25));
    return fclose(out);
}
"#;

const CANNON_MANIFEST: &str = r#"
name = "cannon"
version = "1"
command = ["./cannon", "{out}"]
[inputs]
"shot.in" = "shot.tpl"
[parameters]
speed = 10.0
angle = { default = 0.5, range = "> 0, < 1.6" }
[metrics]
flight = "float"
range = "float"
last = { type = "float", file = "shot.csv", column = "time" }
[datasets.path]
file = "shot.csv"
columns = { time = "float", height = "float" }
"#;

#[test]
fn a_program_in_c_reads_and_writes_its_own_files() {
    let template = " SPEED = ${speed:10.3f}\n ANGLE = ${angle:.2e}\n";
    let files = [("m.toml", CANNON_MANIFEST), ("cannon.c", CANNON), ("shot.tpl", template)];
    let bench = Bench::new("cannon", &files);
    if !compile(&bench.0) {
        return; // no C compiler here
    }
    let request = request("cannon", &json!({"speed": [10.0, 20.0, 30.0, 40.0]}), 4);
    let points = bench.points(&with(&request, &json!({"outputs": ["path"]})));
    let metrics: Vec<_> = points.iter().map(|point| point["metrics"].clone()).collect();
    assert_eq!(metrics[1], json!({"flight": 2, "last": 2, "range": 40}));
    assert_eq!(metrics[3], json!({"flight": 4, "last": 4, "range": 160}));
}

fn compile(folder: &Path) -> bool {
    let compiled = Command::new("cc").args(["-o", "cannon", "cannon.c"]).current_dir(folder).status();
    compiled.is_ok_and(|status| status.success())
}
