use super::folder::Folder;
use super::run::Failure;
use super::*;
use crate::program::manifest;

const TOP: &str = "name = \"m\"\nversion = \"1\"\n";
const PARAMETERS: &str = "[parameters]\nspeed = 1500.0\ncount = 3\nmode = \"a b\"\n";

/// A folder with a manifest and a script that it runs.
struct Bench(Folder);

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn read(&self, manifest: &str) -> Result<Program, String> {
        let path = self.0.path().join("m.toml");
        fs::write(&path, manifest).unwrap();
        manifest::read(&path)
    }

    /// The lines of the problems, without the path.
    fn problems(&self, manifest: &str) -> Vec<String> {
        let told = self.read(manifest).err().unwrap_or_default();
        told.lines().map(|line| line.split_once("m.toml:").unwrap().1.trim().to_owned()).collect()
    }

    /// The reply to a point, or `code: message` of its error.
    fn run(&self, manifest: &str) -> String {
        let program = self.read(manifest).unwrap_or_else(|problems| panic!("{problems}"));
        let declaration = program.declaration.clone().ordered();
        let mut output = Output::new(&declaration.metrics, &declaration.datasets);
        let given: Vec<_> =
            declaration.parameters.iter().map(|parameter| (parameter.name, parameter.default)).collect();
        let Way::Command(command) = &program.way else { panic!("another way") };
        let (given, streams) = (Parameters(&given), Streams::new(42, 7));
        let mut done = command.run(&program.folder, &given, &streams, &mut output);
        if done.is_ok() {
            done = output.check().map_err(|error| {
                Failure::Point("non_finite_metric", format!("{}: {}", error.code(), error.message()))
            });
        }
        match done {
            Ok(()) => {
                let mut reply = vec![];
                output.write_reply(0, &mut reply);
                String::from_utf8(reply).unwrap().replace("{\"id\":0,", "{")
            }
            Err(Failure::Point(code, message)) => format!("{code}: {message}"),
            Err(Failure::Process(problem)) => format!("process: {problem}"),
        }
    }

    /// What becomes of a point whose program is this script; it is told `{out}`.
    fn script(script: &str, metrics: &str) -> String {
        let command = "command = [\"sh\", \"{dir}/run.sh\", \"{in}\", \"{out}\"]\n";
        Self::new(&[("run.sh", script)]).run(&format!("{TOP}{command}{PARAMETERS}{metrics}"))
    }
}

#[test]
fn a_point_reaches_the_program_in_every_way() {
    let bench = Bench::new(&[
        (
            "run.sh",
            "cat given.txt; cat deep/er.txt; echo arguments $# \"$1\" \"$2\"; echo $SPEED $PLACE; cat \"$3\"; pwd",
        ),
        ("a.tpl", "speed=${speed:12.3e};\n"),
        ("b.tpl", "$${mode}=${mode}\n"),
    ]);
    let manifest = format!(
        "{TOP}command = [\"sh\", \"{{dir}}/run.sh\", \"--mode=${{mode}}\", \"; ${{count:03d}} 'x'\", \"{{in}}\"]
{PARAMETERS}
[inputs]
\"given.txt\" = \"a.tpl\"
\"deep/er.txt\" = \"b.tpl\"
[variables]
SPEED = \"${{speed:.1f}}\"
PLACE = \"{{dir}}\"
[metrics]
whole = {{ type = \"string\", pattern = '(?s)\\A(.*)\\z' }}
"
    );
    let [a, b, c, d] = Streams::new(42, 7).foreign_seed();
    let expected = format!(
        "speed=   1.500e+03;\\n${{mode}}=a b\\narguments 3 --mode=a b ; 003 'x'\\n1500.0 {}\\n\
         {{\\\"parameters\\\":{{\\\"count\\\":3,\\\"mode\\\":\\\"a b\\\",\\\"speed\\\":1500}},\\\"seed\\\":42,\
         \\\"replicate\\\":7,\\\"random\\\":[{a},{b},{c},{d}]}}\\n",
        bench.0.path().display()
    );
    let told = bench.run(&manifest);
    assert!(told.contains(&expected), "{told} lacks {expected}");
    let program = bench.read(&manifest).unwrap_or_else(|problems| panic!("{problems}"));
    let files: Vec<_> = program.files.digests().keys().collect();
    assert_eq!(files, ["a.tpl", "b.tpl", "m.toml", "run.sh"]);
    let place = told.rsplit("\\n").nth(1).unwrap();
    assert!(place.contains("/sweep-point-") && !Path::new(place).exists(), "{place}");
}

#[test]
fn metrics_come_from_json_tables_and_text() {
    let script = r#"
printf '{"mean":5,"deep":{"er":{"n":-2}},"ok":true,"note":null,"more":[1]}' > "$2"
printf 'time, level,name\n0,1.5,"a, b"\n\n1,2.5,c\n2,,d\n' > rows.csv
echo "mean = 1" > log.txt; echo "  mean = 2.5e1  " >> log.txt
echo noise; echo count 7
"#;
    let metrics = r#"[metrics]
mean = "float"
inner = { type = "int", key = "deep.er.n" }
ok = "bool"
note = { type = "string", nullable = true }
absent = { type = "float", nullable = true, key = "deep.x" }
first = { type = "string", file = "rows.csv", column = "name", row = 0 }
middle = { type = "float", file = "rows.csv", column = "level", row = -2 }
last = { type = "float", file = "rows.csv", column = "level", nullable = true }
logged = { type = "float", file = "log.txt", pattern = '^ *mean = (\S+) *$' }
counted = { type = "int", pattern = 'count (\d+)' }
unseen = { type = "int", pattern = 'nothing (\d+)', nullable = true }
[datasets.trajectory]
file = "rows.csv"
columns = { name = "string", time = "int", level = { type = "float", nullable = true } }
"#;
    assert_eq!(
        Bench::script(script, metrics),
        concat!(
            r#"{"metrics":{"absent":null,"counted":7,"first":"a, b","inner":-2,"last":null,"logged":25,"mean":5,"#,
            r#""middle":2.5,"note":null,"ok":true,"unseen":null},"rows":{"trajectory":{"name":["a, b","c","d"],"#,
            r#""time":[0,1,2],"level":[1.5,2.5,null]}}}"#
        )
    );
}

const OUT: &str = "[metrics]\nx = \"float\"";
const CELL: &str = "[metrics]\nx = { type = \"float\", file = \"a.csv\", column = \"x\", row = 1 }";
const TEXT: &str = "[metrics]\nx = { type = \"int\", pattern = 'x=(\\S+)' }";
const ROWS: &str = "[metrics]\nx = \"float\"\n[datasets.rows]\nfile = \"a.csv\"\ncolumns = { t = \"int\" }";
/// Script, metrics, and how the result begins.
const WITHOUT_RESULT: &[(&str, &str, &str)] = &[
    ("echo no >&2; echo fuel; exit 3", OUT, "exit_status: exited with status 3: no | fuel"),
    ("echo $PWD/x >&2; exit 1", OUT, "exit_status: exited with status 1: ./x"),
    ("echo dry >&2", OUT, "missing_metric: the program did not write {out}: dry"),
    (
        "echo '{\"y\":1,\"z\":2}' > $2",
        OUT,
        "missing_metric: metric x: {out} has no key \"x\"; its keys are: y, z",
    ),
    ("echo '{}' > $2", OUT, "missing_metric: metric x: {out} has no key \"x\"; its keys are: none"),
    ("echo '[]' > $2", OUT, "bad_output: {out}: is not a JSON object"),
    ("echo '{\"x\":NaN}' > $2", OUT, "bad_output: {out}: is not a JSON object: expected value at line 1"),
    ("echo '{\"x\":\"NaN\"}' > $2", OUT, "non_finite_metric: non_finite_metric: x is NaN"),
    ("echo '{\"x\":\"1\"}' > $2", OUT, "bad_output: {out}: x = \"1\": must be a number"),
    ("mkdir $2", OUT, "bad_output: {out} is not a regular file"),
    ("mkfifo $2", OUT, "bad_output: {out} is not a regular file"),
    ("head -c 33554433 /dev/zero > $2", OUT, "bad_output: {out} is larger than 32 MiB"),
    ("", CELL, "missing_metric: the program did not write a.csv"),
    (
        "printf 'y,z\\n1,2\\n' > a.csv",
        CELL,
        "missing_metric: metric x: a.csv has no column \"x\"; its columns are: y, z",
    ),
    ("printf 'x\\n1\\n' > a.csv", CELL, "missing_metric: metric x: a.csv has no row 1; it has 1 rows"),
    (
        "printf 'y,x\\n1,1\\n1\\n' > a.csv",
        CELL,
        "missing_metric: metric x: a.csv has no column \"x\" in row 1",
    ),
    ("printf 'x\\n1\\nhigh\\n' > a.csv", CELL, "bad_output: a.csv: x = \"high\": must be a number"),
    ("printf 'x\\n1\\nnan\\n' > a.csv", CELL, "non_finite_metric: non_finite_metric: x is NaN"),
    ("echo y=1", TEXT, "missing_metric: metric x: standard output has no text that matches \"x=(\\\\S+)\""),
    (
        "echo x=1.5; echo w >&2",
        TEXT,
        "bad_output: standard output: x = \"1.5\": must be an integer of 64 bits: w",
    ),
    ("echo '{\"x\":1}' > $2", ROWS, "missing_metric: the program did not write a.csv"),
    (
        "echo '{\"x\":1}' > $2; echo u > a.csv",
        ROWS,
        "bad_output: dataset rows: a.csv: has no column \"t\"; its columns are: u",
    ),
    (
        "echo '{\"x\":1}' > $2; printf 't\\n1\\nx\\n' > a.csv",
        ROWS,
        "bad_output: dataset rows: a.csv: line 3: t = \"x\": must be an integer",
    ),
    ("kill -11 $$", OUT, "process: /"),
];

#[test]
fn a_point_without_result_says_why() {
    for (script, metrics, expected) in WITHOUT_RESULT {
        let told = Bench::script(script, metrics);
        assert!(told.starts_with(expected), "{told} does not begin with {expected}");
    }
    assert!(Bench::script("kill -11 $$", OUT).contains("was ended by signal 11 (SIGSEGV"));
}

#[test]
fn what_a_program_leaves_running_does_not_keep_the_point() {
    // Ends when the working folder is removed.
    let script = "echo '{\"x\":1}' > $2; while [ -e $2 ]; do sleep 0.01; done &";
    let told = Bench::script(script, "[metrics]\nx = \"float\"");
    assert_eq!(told, r#"{"metrics":{"x":1},"rows":{}}"#);
}

#[test]
fn the_end_of_a_long_output_counts() {
    let script = "echo y=1; head -c 5000000 /dev/zero; echo; echo x=1; echo x=2; \
        yes 0123456789 | head -c 50000 >&2; exit $1";
    let bench = Bench::new(&[("run.sh", script)]);
    let manifest = |status| {
        format!(
            "{TOP}command = [\"sh\", \"{{dir}}/run.sh\", \"{status}\"]\n[metrics]\n\
             x = {{ type = \"int\", pattern = '^x=(.)$' }}\n\
             y = {{ type = \"int\", pattern = '^y=(.)$', nullable = true }}"
        )
    };
    assert_eq!(bench.run(&manifest(0)), r#"{"metrics":{"x":2,"y":null},"rows":{}}"#);
    let told = bench.run(&manifest(4));
    assert_eq!(told.chars().count(), "exit_status: exited with status 4: ".len() + 1000);
}

#[test]
fn a_program_that_cannot_be_started_is_no_points_fault() {
    let bench = Bench::new(&[("run", "no script")]);
    let path = bench.0.path().join("run");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = format!("{TOP}command = \"./run\"\n[metrics]\nx = {{ type = \"int\", pattern = '(.)' }}");
    let told = bench.run(&manifest);
    assert!(
        told.starts_with("process: cannot start /") && told.ends_with("its interpreter: #!/bin/sh"),
        "{told}"
    );
    let y = "[metrics]\ny = { type = \"int\", pattern = '(.)' }";
    let told = bench.run(&format!("{TOP}command = [\"sh\", \"${{x}}\"]\nparameters.x = \"\\u0000\"\n{y}"));
    assert!(told.starts_with("bad_arguments: arguments and variables cannot be given"), "{told}");
}

const COMMAND: &str = "\"sh\", \"{dir}/run.sh\"";
const X: &str = "file = \"out.csv\", column = \"x\"";
/// What is replaced, by what, and the problem.
const PROBLEMS: &[(&str, &str, &str)] = &[
    ("[\"sh\",", "[\"shh\",", "3: command: shh: no such program on PATH; one beside the manifest is ./shh"),
    ("[\"sh\",", "[\"./none\",", "3: command: ./none: No such file"),
    ("[\"sh\",", "[\"./run.sh\",", "3: command: ./run.sh: is not executable: chmod +x /"),
    ("[\"sh\",", "[\"/\",", "3: command: /: is not a file"),
    ("[\"sh\",", "[\"\",", "3: command: must name a program"),
    (
        COMMAND,
        "\"sh\", \"run.sh\"",
        "3: command: run.sh: is beside the manifest, and the program runs in a folder",
    ),
    (
        "${count}",
        "${coun}",
        "3: command: ${coun} is not a parameter (a literal ${ is written $${); did you mean \"count\"?",
    ),
    ("${count}", "", "6: parameters.count: is used nowhere: put ${count} into command"),
    ("speed = 1500.0", "speed = { type = \"float\" }", "5: parameters.speed: has no default"),
    ("x = { type = \"int\", file = \"out.csv\", column = \"x\" }", "x = \"int\"", "9: metrics.x: is nowhere"),
    ("${count}", "${count:.3q}", "3: command: ${count:.3q}: \".3q\" is not a format"),
    (
        "${mode}",
        "${mode:d}",
        "3: command: ${mode}: format d is for integers and truth values, and this is of type string",
    ),
    ("[metrics]", "[inputs]\na = \"a.tpl\"\n[metrics]", "9: inputs.a: a.tpl:1: ${sped} is not a parameter"),
    ("[metrics]", "[inputs]\na = \"b.tpl\"\n[metrics]", "9: inputs.a: b.tpl: No such file"),
    (
        "[metrics]",
        "[inputs]\na = \"../b\"\n[metrics]",
        "9: inputs.a: ../b: must be below the manifest's folder",
    ),
    (
        "[metrics]",
        "[inputs]\n\"../a\" = \"a.tpl\"\n[metrics]",
        "9: inputs.../a: must be a path below the working folder",
    ),
    ("[metrics]", "[inputs]\n\"in.json\" = \"a.tpl\"\n[metrics]", "9: inputs.in.json: must be a path below"),
    ("[metrics]", "[variables]\n\"A=\" = \"x\"\n[metrics]", "9: variables.A=: is not the name of a variable"),
    ("[metrics]", "[variables]\nA = \"${y}\"\n[metrics]", "9: variables.A: ${y} is not a parameter"),
    (X, "", "9: metrics.x: is nowhere: put {out} into command, or say where"),
    (
        X,
        "file = \"a\", key = \"x\", column = \"x\"",
        "9: metrics.x: must have one of key, column and pattern",
    ),
    (X, "pattern = 'x'", "9: metrics.x.pattern: must have one group, and has 0"),
    (X, "pattern = '(x)(y)'", "9: metrics.x.pattern: must have one group, and has 2"),
    (X, "pattern = '(x'", "9: metrics.x.pattern: regex parse error"),
    (X, "file = \"/a\", column = \"x\"", "9: metrics.x.file: must be a path below the working folder"),
    (X, "row = 1, file = \"a\"", "9: metrics.x.row: is for `column` only"),
    (X, "row = 1.5, file = \"a\", column = \"x\"", "9: metrics.x.row: must be an integer"),
    (
        "[parameters]",
        "keep = [\"../a\"]\n[parameters]",
        "4: keep: \"../a\" must be a path below the working folder",
    ),
    ("[parameters]", "keep_of = \"all\"\n[parameters]", "4: keep_of: says of which points"),
    (
        "[parameters]",
        "keep = \"a\"\nkeep_of = \"some\"\n[parameters]",
        "5: keep_of: must be \"failed\" or \"all\"",
    ),
    ("]\nfile = \"out.csv\"\n", "]\n", "10: datasets.rows: must say in which CSV file its rows are"),
    ("command = [\"sh\"", "serve = [\"sh\"", "9: metrics.x.file: is for `command` only"),
    ("command = [\"sh\"", "serve = [\"sh\"", "10: datasets.rows.file: is for `command` only"),
];

#[test]
fn problems_of_a_manifest_are_told_with_their_line() {
    let bench = Bench::new(&[("run.sh", ""), ("a.tpl", "${sped}"), ("out.csv", "")]);
    let good = format!(
        "{TOP}command = [\"sh\", \"{{dir}}/run.sh\", \"out.csv\", \"${{speed}}${{count}}${{mode}}\"]
{PARAMETERS}[metrics]
x = {{ type = \"int\", file = \"out.csv\", column = \"x\" }}
[datasets.rows]
file = \"out.csv\"
columns = {{ t = \"int\" }}
"
    );
    assert_eq!(bench.problems(&good), [""; 0]);
    for (from, to, problem) in PROBLEMS {
        assert!(good.contains(from), "{from}");
        let told = bench.problems(&good.replacen(from, to, 1));
        assert!(told.iter().any(|line| line.starts_with(problem)), "{told:?} does not say {problem:?}");
        let follows = told.iter().filter(|line| line.contains("nowhere") && !line.starts_with(problem));
        assert_eq!(follows.count(), 0, "{told:?} says more than {problem:?}");
    }
    let many = format!("keep = {:?}\n[parameters]", (0..17).map(|name| name.to_string()).collect::<Vec<_>>());
    let told = bench.problems(&good.replacen("[parameters]", &many, 1));
    assert_eq!(told, ["4: keep: must be at most 16 files"]);
    let served = "serve = \"sh\"\nkeep = \"a\"\n[inputs]\na = \"a.tpl\"\n[variables]\nA = \"x\"\n\
        [metrics]\nx = \"int\"";
    let told = bench.problems(&format!("{TOP}{served}"));
    assert_eq!(
        told,
        [
            "4: keep: is for `command` only",
            "5: inputs: is for `command` only",
            "7: variables: is for `command` only"
        ]
    );
}
