"""Which file system a local store is on, and what its documentation says of locks between nodes.

Reads Linux's table of mounts. It tries nothing: what one node can try, the store's probe tries, and no node alone
can try a lock against another. docs/stores.md has the sources of each line.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweepctl.doctor.preflight import Diagnosis

_ESCAPE = re.compile(r"\\([0-7]{3})")  # how the table writes spaces and the like

_OF_ONE_MACHINE = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "xfs", "zfs"})
_OF_MEMORY = frozenset({"ramfs", "tmpfs"})
_ONE_NODE = "Run all workers of this store on one node, or use an S3 store (docs/stores.md)."
_OR_ONE_NODE = "on every node that has workers, or run them all on one node, or use an S3 store (docs/stores.md)."
# What an NFS client remembers of other nodes' files by default, for up to a minute, and what turns that off.
_NFS_FRESH = ("lookupcache=none", "acdirmax=0")
_NFS_LOCAL = frozenset({"nolock", "local_lock=all", "local_lock=flock"})


@dataclass(frozen=True)
class _Known:
    """What is known of a shared file system, in a mount or in general; a remedy where that is not enough."""

    finding: str
    remedy: str | None = _ONE_NODE


_LUSTRE: Mapping[str, _Known] = {
    "localflock": _Known(
        "Lustre, mounted with localflock: locks hold on one node only", f"Mount it with `flock` {_OR_ONE_NODE}"
    ),
    "flock": _Known("Lustre, mounted with flock: locks hold between nodes, by its documentation", None),
    "": _Known("Lustre, mounted without flock: there are no locks", f"Mount it with `flock` {_OR_ONE_NODE}"),
}
_BEEGFS = _Known(
    "BeeGFS: locks hold on one node only, unless each client has tuneUseGlobalFileLocks = true",
    f"Check beegfs-client.conf {_OR_ONE_NODE}",
)
_CEPH = _Known("CephFS: locks hold between nodes, by its documentation", None)
_SMB = _Known("SMB: whether locks hold between nodes depends on server, protocol and mount options")
_SHARED: Mapping[str, _Known] = {
    "beegfs": _BEEGFS,
    "ceph": _CEPH,
    "cifs": _SMB,
    "fuse.ceph-fuse": _CEPH,
    "gpfs": _Known("GPFS (IBM Storage Scale): locks hold on one node only, as its users report of flock"),
    "smb3": _SMB,
}


def check_file_system(root: Path, mounts: str | None) -> Diagnosis:
    """Name the file system that `root` is on, and what is known of it.

    Args:
        root: The store's folder, or where it will be.
        mounts: The text of Linux's table; None elsewhere.
    """
    if mounts is None:
        return Diagnosis("file system", "not known: only Linux lists which one it is")
    kind, options = find_mount(Path(os.path.realpath(root)), mounts)
    if kind in _OF_ONE_MACHINE:
        return Diagnosis("file system", f"{kind}, of this machine")
    if kind in _OF_MEMORY:
        return Diagnosis("file system", f"{kind}: in memory", "Results are lost with this machine's memory: copy them.")
    known = _known(kind, options)
    return Diagnosis("file system", f"{known.finding}. One node alone cannot try that", known.remedy)


def find_mount(path: Path, mounts: str) -> tuple[str, frozenset[str]]:
    """Return the type and options of the mount that has `path`; an empty type if there is none."""
    found: tuple[str, frozenset[str]] = "", frozenset()
    longest = 0
    for line in mounts.splitlines():
        # Optional fields end with a single dash: proc_pid_mountinfo(5).
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), before.split(" ")[4]))
        kind, _, own = after.split(" ", 2)
        # A later mount at the same point hides the one before.
        if path.is_relative_to(point) and len(point.parts) >= longest:
            longest = len(point.parts)
            found = kind, frozenset(f"{before.split(' ')[5]},{own}".split(","))
    return found


def _known(kind: str, options: frozenset[str]) -> _Known:
    if kind in {"nfs", "nfs4"}:
        return _nfs(kind, options)
    if kind == "lustre":
        return next(known for option, known in _LUSTRE.items() if option in options or not option)
    return _SHARED.get(kind, _Known(f"{kind or 'unknown'}: nothing is known of its locks between nodes"))


def _nfs(kind: str, options: frozenset[str]) -> _Known:
    # NFSv4 has locks of its own, whatever `nolock` says.
    if found := options & (_NFS_LOCAL - {"nolock"} if kind == "nfs4" else _NFS_LOCAL):
        (option, *_) = sorted(found)
        return _Known(
            f"NFS, mounted with {option}: locks hold on one node only",
            f"Mount it without {option} {_OR_ONE_NODE}",
        )
    if lacking := [option for option in _NFS_FRESH if option not in options]:
        return _Known(
            "NFS: locks hold between nodes, by its documentation, but a node may not see what another has written",
            f"Mount it with {' and '.join(lacking)} {_OR_ONE_NODE}",
        )
    return _Known("NFS: locks hold between nodes, by its documentation", None)
