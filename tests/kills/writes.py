"""Which system calls a traced process stops at: those that may write.

A filter of the kernel's own (seccomp) decides, so that every other call runs at full speed. What is stored in a file
that is mapped into memory (mmap) is no call, and is left out.
"""

import ctypes
import os
import struct

# On x86-64, the one machine that tests run on: number and name, and which argument is what the call writes to: a
# descriptor, or a folder's descriptor with a path after it, or a path alone.
DESCRIPTOR, AT_FOLDER, PATH = "descriptor", "folder", "path"
CALLS = {
    1: ("write", DESCRIPTOR, 0),
    18: ("pwrite64", DESCRIPTOR, 0),
    20: ("writev", DESCRIPTOR, 0),
    40: ("sendfile", DESCRIPTOR, 0),
    73: ("flock", DESCRIPTOR, 0),
    74: ("fsync", DESCRIPTOR, 0),
    75: ("fdatasync", DESCRIPTOR, 0),
    76: ("truncate", PATH, 0),
    77: ("ftruncate", DESCRIPTOR, 0),
    82: ("rename", PATH, 1),
    83: ("mkdir", PATH, 0),
    84: ("rmdir", PATH, 0),
    85: ("creat", PATH, 0),
    86: ("link", PATH, 1),
    87: ("unlink", PATH, 0),
    88: ("symlink", PATH, 1),
    257: ("openat", AT_FOLDER, 0),
    258: ("mkdirat", AT_FOLDER, 0),
    263: ("unlinkat", AT_FOLDER, 0),
    264: ("renameat", AT_FOLDER, 2),
    265: ("linkat", AT_FOLDER, 2),
    266: ("symlinkat", AT_FOLDER, 1),
    275: ("splice", DESCRIPTOR, 2),
    280: ("utimensat", AT_FOLDER, 0),
    285: ("fallocate", DESCRIPTOR, 0),
    296: ("pwritev", DESCRIPTOR, 0),
    316: ("renameat2", AT_FOLDER, 2),
    326: ("copy_file_range", DESCRIPTOR, 2),
    328: ("pwritev2", DESCRIPTOR, 0),
    437: ("openat2", AT_FOLDER, 0),  # for reading, too: the filter does not see its flags
}
OPEN = 2  # of old programs; `openat` in all others
OPENAT = 257
CALLS[OPEN] = ("open", PATH, 0)

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_LOAD, _IS, _HAS, _RETURN = 0x20, 0x15, 0x45, 0x06  # of <linux/bpf_common.h>: ld, jeq, jset, ret
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they are in struct seccomp_data
_X86_64 = 0xC000003E
_STOP, _PASS = 0x7FF00000, 0x7FFF0000  # SECCOMP_RET_TRACE, SECCOMP_RET_ALLOW
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def _program() -> bytes:
    """Return the filter: opening stops only where it is for writing, and each other call of the list always."""
    always = [number for number in CALLS if number not in {OPEN, OPENAT}]
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_IS, 1, 0, _X86_64), (_RETURN, 0, 0, _PASS), (_LOAD, 0, 0, _NUMBER)]
    for number, flags in ((OPEN, 1), (OPENAT, 2)):
        code += [
            (_IS, 0, 4, number),
            (_LOAD, 0, 0, _ARGUMENTS + 8 * flags),
            (_HAS, 0, 1, _WRITING),
            (_RETURN, 0, 0, _STOP),
            (_RETURN, 0, 0, _PASS),
        ]
    code += [(_IS, len(always) - at, 0, number) for at, number in enumerate(always)]
    code += [(_RETURN, 0, 0, _PASS), (_RETURN, 0, 0, _STOP)]
    return b"".join(struct.pack("=HBBI", *each) for each in code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def stop_at_writes() -> None:
    """Have this process, and all that it starts, stop at calls that may write; without a tracer they would fail.

    Raises:
        OSError: the kernel has no such filters.
    """
    code = _program()
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    for option, value, more in (
        (_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero),
        (_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(_Program(len(code) // 8, code))),
    ):
        if libc.prctl(option, value, more, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
