"""The file system of a local store, by tables of mounts as kernels write them."""

import os
from pathlib import Path

import pytest

from sweepctl.doctor.filesystem import check_file_system, find_mount

ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
STORE = Path("/shared/sweeps")


def mounted(kind: str, options: str = "rw", point: str = "/shared") -> str:
    return f"{ROOT}91 27 0:52 / {point} rw,relatime shared:41 master:7 - {kind} server:/data {options}\n"


@pytest.mark.parametrize(
    ("kind", "options", "finding", "remedy"),
    [
        ("xfs", "rw", "xfs, of this machine", None),
        ("tmpfs", "rw,size=1k", "in memory", "lost"),
        ("nfs4", "rw,vers=4.2,lookupcache=none,acdirmax=0,local_lock=none", "between nodes", None),
        ("nfs4", "rw,vers=4.2,local_lock=none", "may not see", "lookupcache=none and acdirmax=0"),
        ("nfs4", "rw,vers=4.2,lookupcache=none,local_lock=none", "may not see", "with acdirmax=0 on"),
        ("nfs", "rw,vers=3,nolock,local_lock=all", "local_lock=all: locks hold on one node", "without local_lock=all"),
        ("nfs", "rw,vers=3,local_lock=flock", "local_lock=flock: locks hold on one node", "without local_lock=flock"),
        ("nfs", "rw,vers=3,nolock", "nolock: locks hold on one node", "without nolock"),
        ("nfs4", "rw,nolock,lookupcache=none,acdirmax=0,local_lock=none", "between nodes", None),
        ("lustre", "rw,flock,lazystatfs", "between nodes", None),
        ("lustre", "rw,localflock,lazystatfs", "one node only", "`flock` on every node"),
        ("lustre", "rw,noflock", "no locks", "`flock` on every node"),
        ("lustre", "rw,lazystatfs", "no locks", "`flock` on every node"),
        ("gpfs", "rw,mtime", "one node only", "one node"),
        ("beegfs", "rw,cfgFile=/etc/beegfs/beegfs-client.conf", "tuneUseGlobalFileLocks", "beegfs-client.conf"),
        ("ceph", "rw", "between nodes", None),
        ("fuse.ceph-fuse", "rw", "between nodes", None),
        ("cifs", "rw,vers=3.1.1", "depends on", "one node"),
        ("fuse.s3fs", "rw", "fuse.s3fs: nothing is known", "one node"),
    ],
)
def test_a_file_system_is_named_with_what_it_does_not_give(
    kind: str, options: str, finding: str, remedy: str | None
) -> None:
    found = check_file_system(STORE, mounted(kind, options))
    assert found.what == "file system"
    assert finding in found.finding
    assert found.error is None
    assert (remedy in str(found.remedy)) if remedy else (found.remedy is None)


def test_no_shared_file_system_is_said_to_be_tried() -> None:
    assert "cannot try" in check_file_system(STORE, mounted("ceph")).finding
    assert "cannot try" not in check_file_system(STORE, mounted("xfs")).finding


def test_the_innermost_mount_counts_and_of_two_the_later() -> None:
    mounts = mounted("nfs4") + mounted("lustre", "rw,flock", point="/shared/sweeps") + mounted("ceph", "rw,noshare")
    assert find_mount(Path("/shared/sweeps/a"), mounts)[0] == "lustre"
    assert find_mount(Path("/shared/sweepstakes"), mounts)[0] == "ceph"
    assert find_mount(Path("/home"), mounts) == ("ext4", frozenset({"rw", "relatime", "discard"}))
    assert find_mount(Path("/home"), "") == ("", frozenset())


def test_a_mount_may_have_a_space_in_its_name() -> None:
    assert find_mount(Path("/my data/store"), mounted("xfs", point="/my\\040data"))[0] == "xfs"


def test_a_link_to_another_file_system_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/shared")
    here = f"{mounted('gpfs')}92 27 0:53 / {os.path.realpath(tmp_path)} rw - xfs /dev/vdb rw\n"
    assert "GPFS" in check_file_system(tmp_path / "link" / "store", here).finding


def test_where_nothing_is_mounted_nothing_is_known() -> None:
    assert "unknown: nothing is known" in check_file_system(STORE, "").finding


def test_only_linux_lists_file_systems() -> None:
    assert check_file_system(STORE, None).to_json()["state"] == "ok"
    assert "only Linux" in check_file_system(STORE, None).finding
