"""Builds the package of the function on AWS Lambda: `python tools/lambda_package.py WHEEL PACKAGE.zip [PYTHON]`.

It contains sweepctl's wheel with its engine, and the locked dependencies for the function's Python, without files that
no shard needs. The same inputs give the same bytes.

boto3 and botocore are included, although the runtime has its own: those versions change without notice, and every
conditional write depends on them.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FUNCTION_PYTHON = "3.13"  # of the function's runtime: from 3.12 on, they are Amazon Linux 2023
GLIBC = 34  # its C library is 2.34
MOST_BYTES = 250_000_000  # of a package, unzipped: AWS's limit
MACHINE = platform.machine()
PLATFORMS = (*(f"manylinux_2_{minor}_{MACHINE}" for minor in (34, 28, 17)), f"manylinux2014_{MACHINE}")
LOCK = Path(__file__).parents[1] / "requirements" / "lambda.txt"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-compile")
HERE = "/var/task"  # where Lambda puts the package
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can store
ENGINE = "bin/sweep-engine"

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


def build(wheel: Path, package: Path, python: str, engine: Path | None = None) -> None:
    """Write the package for the version of Python that `python` starts; this Python compiles its modules.

    If given, `engine` replaces the wheel's: one that was linked for an older system.
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
        size = sum(path.stat().st_size for path in files(tree))
        if size > MOST_BYTES:
            sys.exit(f"{size / 1e6:.0f} MB unzipped: Lambda allows at most {MOST_BYTES / 1e6:.0f}")
        package.parent.mkdir(parents=True, exist_ok=True)
        pack(tree, package)
    print(f"  {package}: {package.stat().st_size / 1e6:.0f} MB, unzipped {size / 1e6:.0f} MB, Python {version}")


def find_python() -> str | None:
    """Return the path of the function's Python; None if this machine does not have it."""
    command = f"python{FUNCTION_PYTHON}"
    if shutil.which(command) is None:
        return None
    # A version manager's shim on PATH starts nothing without a version.
    environment = {"PYENV_VERSION": FUNCTION_PYTHON, **os.environ}
    program = "import sys; print(sys.executable)"
    found = subprocess.run((command, "-c", program), env=environment, check=False, capture_output=True, text=True)
    return found.stdout.strip() or None


def version_of(python: str) -> str:
    """Return the version of `python`, for instance 3.13."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run((python, "-c", program), check=True, capture_output=True, text=True).stdout.strip()


def install(tree: Path, version: str, what: tuple[str, ...]) -> None:
    """Install wheels for the function's Python on Amazon Linux; nothing is built."""
    # The wheel's tag is `linux`; its libc is checked afterwards.
    platforms = (f"--platform={each}" for each in (*PLATFORMS, f"linux_{MACHINE}"))
    target = ("--target", str(tree), "--upgrade", "--python-version", version, "--implementation", "cp")
    subprocess.run((*PIP, "--only-binary=:all:", *target, *platforms, *what), check=True)


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
    # Never checked against the source, whose time on Lambda means nothing.
    mode = ("--invalidation-mode", "unchecked-hash")
    command = (python, "-m", "compileall", "-q", "-f", *mode, "-s", str(tree), "-p", HERE, str(tree))
    subprocess.run(command, check=True)


def pack(tree: Path, package: Path) -> None:
    """Zip the tree: in order, with one date, readable by all."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files(tree):
            name = path.relative_to(tree).as_posix()
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o100755 if name == ENGINE else 0o100644) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def files(tree: Path) -> Iterator[Path]:
    """Yield all files, in the order of their names."""
    yield from sorted(path for path in tree.rglob("*") if path.is_file())


def main(wheel: str, package: str, python: str = "", engine: str = "") -> None:
    """Build with the given Python, by default the function's version, and the given engine, by default the wheel's."""
    compiler = python or find_python()
    if compiler is None:
        sys.exit(
            f"missing: python{FUNCTION_PYTHON}, which compiles the function's modules.\n"
            "         Install it, or name it: make lambda LAMBDA_PYTHON=/path/to/it"
        )
    build(Path(wheel), Path(package), compiler, Path(engine) if engine else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
