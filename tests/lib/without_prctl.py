"""Runs a command on a kernel that refuses one option of prctl(2), for it and all that it starts.

    without_prctl.py OPTION COMMAND…

35 is PR_SET_MM, which kernels without CONFIG_CHECKPOINT_RESTORE do not have. Needs root."""
import ctypes
import os
import struct
import sys

SET_MODE_FILTER, SECCOMP, PRCTL = 1, 317, 157  # x86-64
LOAD, IS_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, EINVAL = 0x7FFF0000, 0x00050016


def main():
    option, command = int(sys.argv[1]), sys.argv[2:]
    steps = [(LOAD, 0, 0, 0), (IS_EQUAL, 0, 3, PRCTL),  # its number
             (LOAD, 0, 0, 16), (IS_EQUAL, 0, 1, option),  # the low half of its first argument
             (RETURN, 0, 0, EINVAL), (RETURN, 0, 0, ALLOW)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SECCOMP, SET_MODE_FILTER, 0, program) != 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execv(command[0], command)


main()
