"""Fetches ElasticMQ, an SQS server in Java, once into target/, and prints the folder of its jars.

Maven fetches it, so that a machine's configured mirrors are used. If something is missing, stderr says what, and the
exit code is 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.6.14"
JAVA = 17
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JARS = Path(__file__).parents[1] / "target" / "tools" / f"elasticmq-{VERSION}"
POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sweepctl</groupId>
  <artifactId>elasticmq-jars</artifactId>
  <version>0</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.elasticmq</groupId>
      <artifactId>elasticmq-server_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def main(seconds: float) -> int:
    """Fetch the jars unless they exist, within `seconds`."""
    missing = no_java() or (None if JARS.exists() else fetch(seconds))
    print(missing or JARS, file=sys.stderr if missing else sys.stdout)
    return int(missing is not None)


def no_java() -> str | None:
    """Return the problem with this machine's Java; None if there is none."""
    try:
        output = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        output = ""
    found = re.search(r'version "(\d+)', output)
    return None if found and int(found[1]) >= JAVA else f"no Java {JAVA} or newer"


def fetch(seconds: float) -> str | None:
    """Return why the jars could not be fetched; None if they were."""
    maven = shutil.which("mvn")
    if maven is None:
        return "no mvn on PATH, which fetches ElasticMQ"
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS.parent) as folder, Path(folder, "log").open("wb") as log:
        pom, jars = Path(folder, "pom.xml"), Path(folder, "jars")
        pom.write_text(POM)
        options = ["--quiet", "--batch-mode", "--strict-checksums", f"--file={pom}"]
        command = [maven, *options, COPY, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=seconds)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return "mvn could not fetch ElasticMQ"
        publish(jars)
    return None


def publish(jars: Path) -> None:
    """Move the jars into place in one step; if two processes fetch at once, the first wins."""
    try:
        jars.rename(JARS)
    except OSError:
        if not JARS.exists():
            raise


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 600))
