"""Runs a command as a container engine would: as root, in pid, mount, ipc, uts and cgroup namespaces of its own.

    container.py COMMAND…                an engine's defaults: few capabilities, a seccomp filter without
                                         namespaces and mounts, masked /proc, cgroups read-only
    container.py --unconfined COMMAND…   the same without the filter
    container.py --unmasked COMMAND…     with /proc as it is
    container.py --privileged COMMAND…   nothing of that but the namespaces

Sources: moby profiles/seccomp/default.json, oci/caps/defaults.go, oci/defaults.go (masked and read-only
paths); runc does what they say. The numbers of system calls are x86-64's."""
import ctypes
import os
import signal
import struct
import sys

NAMESPACES = 0x20000 | 0x20000000 | 0x8000000 | 0x4000000 | 0x2000000  # NS, PID, IPC, UTS, CGROUP
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_NODEV, MS_NOSUID, MS_NOEXEC = 1, 32, 4096, 0x4000, 0x40000, 4, 2, 8
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 24, 38
CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)  # CHOWN … SETFCAP, as an engine leaves them
MASKED = ("/proc/keys", "/proc/timer_list", "/proc/kcore")
READ_ONLY = ("/proc/sys", "/proc/irq", "/proc/bus")
# unshare mount umount2 pivot_root setns open_tree move_mount fsopen fsconfig fsmount mount_setattr
REFUSED = (272, 165, 166, 155, 308, 428, 429, 430, 431, 432, 442)
CLONE, CLONE3, CLONE_NAMESPACES = 56, 435, 0x7E020000
EPERM, ENOSYS, ALLOW, ERRNO = 1, 38, 0x7FFF0000, 0x50000
libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)


def mount(source, target, kind, flags):
    must(libc.mount(source.encode() if source else None, target.encode(), kind, flags, None), f"mount {target}")


def cgroups_read_only():
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        points = [line.split()[4] for line in lines if line.split(" - ")[1].split()[0] in ("cgroup", "cgroup2")]
    for point in points:
        mount(None, point, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)


def proc_masked():
    for path in MASKED:
        if os.path.exists(path):
            mount("/dev/null", path, None, MS_BIND)
    for path in READ_ONLY:
        if os.path.exists(path):
            mount(path, path, None, MS_BIND)
            mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def capabilities_drop():
    mask = sum(1 << number for number in CAPABILITIES)
    for number in range(64):
        if not mask >> number & 1:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    must(libc.capset(struct.pack("II", 0x20080522, 0), struct.pack("IIIIII", low, low, 0, high, high, 0)), "capset")


def filter_load():
    """A classic BPF program over struct seccomp_data: the number at 0, the first argument at 16."""
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    program = [(load, 0, 0, 0)]
    for number in REFUSED:
        program += [(equal, 0, 1, number), (give, 0, 0, ERRNO | EPERM)]
    program += [(equal, 0, 1, CLONE3), (give, 0, 0, ERRNO | ENOSYS), (equal, 0, 3, CLONE), (load, 0, 0, 16),
                (any_bit, 0, 1, CLONE_NAMESPACES), (give, 0, 0, ERRNO | EPERM), (give, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    must(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_ulong(ctypes.addressof(head)), 0, 0), "seccomp")


def inside(modes, command):
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("proc", "/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if "--privileged" not in modes:
        cgroups_read_only()
        if "--unmasked" not in modes:
            proc_masked()
        capabilities_drop()
        if "--unconfined" not in modes:
            filter_load()
    os.execvp(command[0], command)


def main(arguments):
    modes = set()
    while arguments[0].startswith("--"):
        modes.add(arguments.pop(0))
    must(libc.unshare(NAMESPACES), "unshare")
    child = os.fork()
    if child == 0:
        libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG
        inside(modes, arguments)
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda number, _: os.kill(child, number))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
