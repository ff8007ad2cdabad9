"""A Slurm cluster of one node on this machine: MUNGE, controller and node of tools/unpack_slurm, as ordinary processes.

Its configuration, key, sockets, ports and state are its own, below one folder. Nothing of it is installed, and it ends
with its block.
"""

import getpass
import os
import platform
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT
from waiting import LIMIT, wait_until

SLURM = ROOT / "target" / "tools" / "slurm" / "root"
CPUS = 4
# `low` loses its jobs to `high`, and they are queued again. What Slurm waits for by the clock is as short as it allows.
CONFIGURATION = """
ClusterName=sweepctl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=1,sched_min_interval=100000,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MinJobAge=86400
ReturnToService=2
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus}
PartitionName=low Nodes=node Default=YES PriorityTier=1
PartitionName=high Nodes=node PriorityTier=2 PreemptMode=OFF
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    settings: Mapping[str, str]  # variables of the environment
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What its processes have, and jobs that are submitted now."""
        return os.environ | self.settings

    def run(self, program: str, *arguments: str | Path, may_fail: bool = False) -> str:
        """Run one of Slurm's commands, and return what it prints."""
        command = [SLURM / "usr" / "bin" / program, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert may_fail or done.returncode == 0, f"{program}: {done.stderr}\n{self.logs()}"
        return done.stdout.strip()

    def submit(self, script: Path, *arguments: str, options: Sequence[str] = ()) -> str:
        """Submit a job, and return its number."""
        return self.run("sbatch", "--parsable", *options, script, *arguments)

    def tasks(self, job: str) -> Mapping[str, str]:
        """Return the state of each task of an array, or of a job, by its number, with those that have ended."""
        lines = self.run("squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={job}")
        return dict(line.split() for line in lines.splitlines())

    def logs(self) -> str:
        """Return what its processes have written."""
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("*.log")))


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start a cluster with its files below `folder`, and stop it."""
    for each in ("state", "spool"):
        (folder / each).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    (plugins,) = SLURM.glob("usr/lib/*/slurm-wlm")
    values = {"host": platform.node().partition(".")[0], "user": getpass.getuser(), "ports": _free_ports()}
    configuration = CONFIGURATION.format(folder=folder, plugins=plugins, cpus=CPUS, **values)
    (folder / "slurm.conf").write_text(configuration)
    libraries = [plugins, plugins.parent, SLURM / "lib" / plugins.parent.name]
    settings = {"SLURM_CONF": f"{folder}/slurm.conf", "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
    cluster = Cluster(settings, folder)
    munge = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    with ExitStack() as started:
        # Forced: it takes a socket in a folder of one user alone for a mistake.
        options = [f"--{name}={folder}/munge.{ending}" for name, ending in munge.items()]
        started.enter_context(_process(cluster, "munged", "--foreground", "--force", *options))
        wait_until((folder / "munge.socket").exists)
        started.enter_context(_process(cluster, "slurmctld", "-D"))
        started.enter_context(_process(cluster, "slurmd", "-D", "-N", "node", "-d", _daemon("slurmstepd")))
        wait_until(lambda: (folder / "slurmctld.pid").exists() and (folder / "slurmd.pid").exists())
        wait_until(lambda: cluster.run("sinfo", "--noheader", "--partition=low", "--format=%T") == "idle")
        try:
            yield cluster
        finally:
            # Jobs would outlive the node's process.
            cluster.run("scancel", f"--user={values['user']}")
            wait_until(lambda: not cluster.run("squeue", "--noheader", "--states=RUNNING,COMPLETING"))


@contextmanager
def _process(cluster: Cluster, name: str, *options: str | Path) -> Iterator[None]:
    command = [_daemon(name), *options]
    with (
        (cluster.folder / f"{name}.log").open("wb") as log,
        subprocess.Popen(command, env=cluster.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def _daemon(name: str) -> Path:
    """Return a program that Debian calls `slurmd-wlm`, or `slurmd`, depending on the release."""
    (path,) = SLURM.glob(f"usr/sbin/{name}*")
    return path


def _free_ports() -> list[int]:
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        return [each.getsockname()[1] for each in sockets]
