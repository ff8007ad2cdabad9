//! Manifests, good and bad.

use super::*;
use crate::model::catalog::Catalog;
use crate::run::record::line;

const GOOD: &str = r#"name = "sum"
version = "2"
serve = ["sh", "sum.sh"]
files = ["data/*.csv"]

[parameters]
count = 3
rate = { type = "float", default = 1, range = "> 0, <= 10", unit = "1/s", doc = "how fast" }
mode = { default = "a", choices = ["a", "b"] }
[parameters.limit]
type = "int"
nullable = true
range = [-5, 5]

[metrics]
total = "float"
note = { type = "string", nullable = true, headline = true }

[datasets.rows]
doc = "all"
columns = { at = "float" }
"#;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sweep-manifest-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("data")).unwrap();
        for (file, text) in [("sum.sh", "exit 1"), ("data/a.csv", "1"), ("data/b.csv", "2")] {
            fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    fn read(&self, manifest: &str) -> Result<Program, String> {
        fs::write(self.0.join("m.toml"), manifest).unwrap();
        read(&self.0.join("m.toml"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_manifest_is_a_declaration() {
    let folder = Folder::new("good");
    let program = folder.read(GOOD).unwrap();
    let files: Vec<_> = program.files.digests().keys().cloned().collect();
    assert_eq!(files, ["data/a.csv", "data/b.csv", "m.toml", "sum.sh"]);
    assert_eq!(program.require_unchanged(), Ok(()));
    let told = String::from_utf8(line(&crate::describe::hello(&program.declaration))).unwrap();
    for part in [
        r#""parameters":[{"name":"count","type":"int","nullable":false,"unit":"","default":3,"#,
        r#"{"name":"rate","type":"float","nullable":false,"unit":"1/s","default":1.0,"range":"> 0, <= 10""#,
        r#""default":"a","range":"one of \"a\", \"b\"""#,
        r#"{"name":"limit","type":"int","nullable":true,"unit":"","default":null,"range":">= -5, <= 5""#,
        r#"{"name":"note","type":"string","nullable":true,"unit":"","doc":"","headline":true}],"datasets""#,
        r#""datasets":[{"name":"rows""#,
    ] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    assert!(Catalog::new("1", &[], vec![program]).is_ok());
}

#[test]
fn the_version_follows_manifest_and_files() {
    let folder = Folder::new("version");
    let version = |manifest: &str| folder.read(manifest).unwrap().declaration.version.to_owned();
    let first = version(GOOD);
    assert_eq!((&first[..2], first.len()), ("2+", 14));
    assert_eq!(version(GOOD), first);
    assert_ne!(version(&GOOD.replace("count = 3", "count = 4")), first);
    let program = folder.read(GOOD).unwrap();
    fs::write(folder.0.join("data/b.csv"), "3").unwrap();
    let problem = program.require_unchanged();
    assert!(
        problem.clone().is_err_and(|problem| problem.starts_with("data/b.csv was changed")),
        "{problem:?}"
    );
    assert_ne!(version(GOOD), first);
    fs::write(folder.0.join("data/b.csv"), "2").unwrap();
    assert_eq!(version(GOOD), first);
    fs::write(folder.0.join("m.toml"), GOOD.replace("count = 3", "count = 4")).unwrap();
    let problem = program.require_unchanged();
    assert!(problem.clone().is_err_and(|problem| problem.starts_with("m.toml was changed")), "{problem:?}");
}

#[test]
fn a_program_that_cannot_be_started_is_told_before_anything_runs() {
    let folder = Folder::new("missing");
    let cases = [
        ("[\"sh\",", "[\"shh\",", "3: serve: shh: no such program on PATH; one beside the manifest is ./shh"),
        ("[\"sh\",", "[\"./none\",", "3: serve: ./none: No such file"),
        ("[\"sh\",", "[\"./sum.sh\",", "3: serve: ./sum.sh: is not executable: chmod +x /"),
        (
            "serve = [\"sh\", \"sum.sh\"]",
            "python = \"f.py:f\"\ninterpreter = \"./nopy\"",
            "4: interpreter: ./nopy: No",
        ),
        (
            "serve = [\"sh\", \"sum.sh\"]",
            "interpreter = \"nopy\"\npython = \"f.py:f\"",
            "3: interpreter: nopy: no such",
        ),
    ];
    for (from, to, expected) in cases {
        let told = folder.read(&GOOD.replacen(from, to, 1)).err().unwrap_or_default();
        assert!(told.contains(&format!("m.toml:{expected}")), "{told:?} lacks {expected:?}");
    }
}

#[test]
fn every_problem_is_told_with_its_line() {
    let folder = Folder::new("bad");
    let cases = [
        ("version = \"2\"", "verson = \"2\"", "2: unknown key \"verson\"; did you mean \"version\"?"),
        ("version = \"2\"", "version = 2", "2: version: must be text in quotes"),
        ("version = \"2\"\n", "", " version is missing"),
        ("serve = [\"sh\", \"sum.sh\"]", "", " must say how the program is run, in one way"),
        ("serve = [\"sh\", \"sum.sh\"]", "serve = []", "3: serve: must name a program"),
        ("\"data/*.csv\"", "\"data/*.txt\"", "4: files: \"data/*.txt\": no such file"),
        ("\"data/*.csv\"", "\"../a\"", "4: files: \"../a\": must be below the manifest's folder"),
        ("count = 3", "count = []", "7: parameters.count: has no type"),
        ("count = 3", "Count = 3", "7: parameter \"Count\" must match [a-z][a-z0-9_]{0,62}"),
        ("count = 3", "seed = 3", "7: parameter \"seed\" has the name of an identity column"),
        ("total =", "run_id =", "16: metric \"run_id\" has the name of an identity column"),
        ("at = \"float\"", "At = \"float\"", "21: column \"At\" must match"),
        ("\"float\" }", "{ type = \"float\", headline = true } }", "21: at is not a metric"),
        (
            "[datasets.rows]",
            "[datasets.runs]",
            "19: dataset \"runs\" has the name of one of the store's own folders",
        ),
        ("version = \"2\"", "version = \"2 b\"", "2: version \"2 b+"),
        ("default = \"a\", choices", "default = \"c\", choices", "9: the default of mode must be one of"),
        (
            "[-5, 5]",
            "[5, -5]",
            "13: parameters.limit.range: allows no value: its lower end is above its upper end",
        ),
        ("[-5, 5]", "\"> 5, < 5\"", "13: parameters.limit.range: allows no value"),
        ("default = 1,", "", "8: parameters.rate: has no default"),
        ("default = 1,", "default = \"x\",", "8: parameters.rate.default: must be a finite number"),
        ("\"> 0, <= 10\"", "\"> 0 <= 10\"", "8: parameters.rate.range: must be two numbers"),
        ("[-5, 5]", "[-5, 5, 6]", "13: parameters.limit.range: must be two numbers"),
        ("[-5, 5]", "[-5.5, 5]", "13: parameters.limit.range: must be two numbers"),
        ("unit = \"1/s\"", "units = \"1/s\"", "8: unknown key \"units\" in parameters.rate; did you mean"),
        ("total = \"float\"", "total = \"double\"", "16: metrics.total: must be \"int\", \"float\""),
        ("type = \"string\", nullable", "nullable", "17: metrics.note: needs a type"),
        ("columns =", "column =", "21: unknown key \"column\" in datasets.rows; did you mean \"columns\"?"),
        ("name = \"sum\"", "name = \"sum", "1: invalid basic string"),
        ("[metrics]", "environment = [\"AWS_REGION\"]\n[metrics]", "15: unknown key \"environment\""),
        (
            "files =",
            "environment = [\"AWS_REGION\"]\nfiles =",
            "4: environment: \"AWS_REGION\" may hold a secret",
        ),
    ];
    for (from, to, problem) in cases {
        assert!(GOOD.contains(from), "{from}");
        let told = folder.read(&GOOD.replacen(from, to, 1)).err().unwrap_or_default();
        let lines: Vec<_> = told.lines().map(|line| line.split_once("m.toml:").unwrap().1).collect();
        assert!(lines.iter().any(|line| line.starts_with(problem)), "{told:?} does not say {problem:?}");
    }
    let all = folder.read(
        "name = \"Bad-name\"\nserve = \"sh\"\nversion = \"1\"\n[parameters]\na = { range = [10, 0] }\n\
         b = { default = 50, range = [0, 10] }\nc = 1\n[metrics]\n\"Z z\" = \"float\"\nok = \"double\"\n",
    );
    let told = all.err().unwrap();
    let lines: Vec<_> = told.lines().map(|line| line.split_once("m.toml:").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "1: model \"Bad-name\" must match [a-z][a-z0-9_]{0,62}",
            "5: parameters.a.range: allows no value: its lower end is above its upper end",
            "5: parameters.a: has no type; give it type = \"float\"",
            "6: the default of b must be >= 0, <= 10",
            "9: metric \"Z z\" must match [a-z][a-z0-9_]{0,62}",
            "10: metrics.ok: must be \"int\", \"float\", \"bool\" or \"string\"",
        ]
    );
    let several = GOOD.replace("count = 3", "count = []").replace("double", "float").replace("[-5, 5]", "5");
    assert_eq!(folder.read(&several).err().unwrap().lines().count(), 2);
}
