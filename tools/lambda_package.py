"""Builds the package of the function on AWS Lambda.

    python tools/lambda_package.py WHEEL PACKAGE.zip PYTHON ENGINE PROGRAM REQUIREMENTS

The last four may be empty.

It contains sweepctl's wheel with its engine, and the locked dependencies for the function's Python, without files that
no shard needs; and, if one is named, a program that is a model (program_package.py). The same inputs give the same
bytes.

boto3 and botocore are included, although the runtime has its own: those versions change without notice, and every
conditional write depends on them.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from function_python import COMPILE, MACHINE, install, require_python, version_of
from program_package import assemble

GLIBC = 34  # its C library is 2.34
MOST_BYTES = 250_000_000  # of a package, unzipped: AWS's limit
LOCK = Path(__file__).parents[1] / "requirements" / "lambda.txt"
HERE = "/var/task"  # where Lambda puts the package
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can store
ENGINE = "bin/sweep-engine"
PROGRAM = "program"  # where the function looks for it

# Of these packages, only matching files are kept. Some of Arrow's libraries are unused here but loaded all the same:
# others link to them.
KEPT = {
    "pyarrow": (
        "pyarrow/{__init__,_compute_docstrings,_generated_version,compute,csv,fs,ipc,json,pandas_compat,types,util}.py",
        "pyarrow/parquet/{__init__,core}.py",
        "pyarrow/vendored/*.py",
        "pyarrow/{lib,_compute,_csv,_fs,_json,_parquet}.cpython-*.so",
        "pyarrow/lib{arrow,arrow_acero,arrow_compute,arrow_dataset,arrow_python,arrow_substrait,parquet}.so.????",
    ),
    # The function calls S3, and STS for some roles. SQS is for other commands that run from the same folder.
    "botocore/data": ("botocore/data/{s3,sqs,sts}/*/*", "botocore/data/*.json"),
    "bin": (ENGINE,),
}
# pip's notes on an installation, which contain this machine's paths.
NOTES = ("*.dist-info/RECORD", "*.dist-info/direct_url.json", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")


def build(
    wheel: Path,
    package: Path,
    python: str,
    engine: Path | None = None,
    *,
    program: Path | None = None,
    requirements: Path | None = None,
) -> None:
    """Write the package for the version of Python that `python` starts; this Python compiles its modules.

    If given, `engine` replaces the wheel's: one that was linked for an older system. `program` is a manifest, and
    `requirements` is the lock file of its packages.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        version = version_of(python)
        for what in (("--require-hashes", "-r", str(LOCK)), (str(wheel),)):
            install(tree, version, what)
        if engine is not None:
            shutil.copy2(engine, tree / ENGINE)
        require_glibc(tree / ENGINE)
        trim(tree)
        compile_modules(tree, python)
        if program is not None:
            said = assemble(tree / ENGINE, program, tree / PROGRAM, python, requirements)
            print(f"  {program}: {said}")
            trim(tree)
        size = sum(path.stat().st_size for path in files(tree))
        if size > MOST_BYTES:
            sys.exit(f"{size / 1e6:.0f} MB unzipped: Lambda allows at most {MOST_BYTES / 1e6:.0f}")
        package.parent.mkdir(parents=True, exist_ok=True)
        pack(tree, package)
    print(f"  {package}: {package.stat().st_size / 1e6:.0f} MB, unzipped {size / 1e6:.0f} MB, Python {version}")


def require_glibc(program: Path) -> None:
    """Exit with a remedy if the program needs a newer C library than Amazon Linux 2023 has."""
    # The versions that a program needs are strings in it. A string that only looks like one can cause a false refusal.
    needed = max(int(found) for found in re.findall(rb"\0GLIBC_2\.(\d+)", program.read_bytes()))
    if needed > GLIBC:
        sys.exit(
            f"{program.name} needs glibc 2.{needed}, but Amazon Linux 2023 has 2.{GLIBC}. Build on an older system, or:"
            f"\n  pip install cargo-zigbuild ziglang"
            f"\n  cargo zigbuild --release --locked -p sweep-engine --target {MACHINE}-unknown-linux-gnu.2.{GLIBC}"
            f"\n  make lambda LAMBDA_ENGINE=target/{MACHINE}-unknown-linux-gnu/release/sweep-engine"
        )


def trim(tree: Path) -> None:
    """Remove files that no shard needs."""
    for path in files(tree):
        name = path.relative_to(tree).as_posix()
        kept = next((patterns for folder, patterns in KEPT.items() if name.startswith(f"{folder}/")), ("*",))
        if any(matches(name, pattern) for pattern in NOTES) or not any(matches(name, pattern) for pattern in kept):
            path.unlink()


def matches(name: str, pattern: str) -> bool:
    """Return whether a path matches; the pattern may have one {a,b}, which matches either."""
    before, brace, rest = pattern.partition("{")
    either, _, after = rest.partition("}")
    return any(PurePosixPath(name).match(f"{before}{each}{after}") for each in (either.split(",") if brace else [""]))


def compile_modules(tree: Path, python: str) -> None:
    """Compile every module: the function cannot write byte code, and would compile at each start."""
    subprocess.run((python, *COMPILE, "-q", "-s", str(tree), "-p", HERE, str(tree)), check=True)


def pack(tree: Path, package: Path) -> None:
    """Zip the tree: in order, with one date, readable by all."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files(tree):
            name = path.relative_to(tree).as_posix()
            entry = zipfile.ZipInfo(name, EPOCH)
            runs = name == ENGINE or (name.startswith(f"{PROGRAM}/") and path.stat().st_mode & 0o100)
            entry.external_attr = (0o100755 if runs else 0o100644) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def files(tree: Path) -> Iterator[Path]:
    """Yield all files, in the order of their names."""
    yield from sorted(path for path in tree.rglob("*") if path.is_file())


def main(wheel: str, package: str, python: str, *paths: str) -> None:
    """Build with the given Python, by default the function's version, and the given engine, by default the wheel's."""
    engine, program, requirements = (Path(path) if path else None for path in paths)
    build(Path(wheel), Path(package), require_python(python), engine, program=program, requirements=requirements)


if __name__ == "__main__":
    main(*sys.argv[1:])
