"""Forbids this process system calls, as a container's profile would. There is no way back."""

from __future__ import annotations

import ctypes
import os
import struct

NUMBERS = {
    "x86_64": {"memfd_create": 319, "fcntl": 72, "fallocate": 285, "madvise": 28},
    "aarch64": {"memfd_create": 279, "fcntl": 25, "fallocate": 47, "madvise": 233},
}[os.uname().machine]

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# linux/filter.h: load a word of struct seccomp_data, jump if equal, return
_LOAD, _JUMP, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARGUMENTS = 0, 16


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def forbid(call, error, argument=None, value=0):
    """Let a system call fail with an errno, if its nth argument (from 0) is `value`."""
    last = _RETURN, 0, 0, _ERRNO | error
    steps = [(_LOAD, 0, 0, _NUMBER)]
    if argument is None:
        steps += [(_JUMP, 0, 1, NUMBERS[call]), last]
    else:
        place = _ARGUMENTS + 8 * argument
        steps += [(_JUMP, 0, 3, NUMBERS[call]), (_LOAD, 0, 0, place), (_JUMP, 0, 1, value), last]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program)),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
