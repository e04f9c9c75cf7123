"""Runs a command as an ordinary user with a delegated control group, as systemd gives its users; what
the host has of files stays as it is.

    rootless.py COMMAND…            the command enters a user namespace itself (newuidmap)
    rootless.py --inside COMMAND…   in a user namespace already, as its root
    rootless.py --bare COMMAND…     nothing is delegated
    rootless.py --alone COMMAND…    there are no subordinate ids, so that its only user is itself

The first words may be combined.

Programs that the user could not reach where they are are named by --copy PATH: a copy takes the place
of each argument that is that path, and of the environment's TENANT."""
import ctypes
import os
import shutil
import signal
import sys
import tempfile

UID, FIRST, COUNT = 4711, 200000, 65535
CONTROLLERS = "+memory +cpu +pids"
CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x10000000, 0x1000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)


def put(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def cgroup_dirs():
    """Where this process is in the hierarchies that matter, by controller; "" is version 2."""
    own, points = {}, {}
    with open("/proc/self/cgroup", encoding="ascii") as lines:
        for line in lines:
            _, names, path = line.strip().split(":", 2)
            own.update({name: path for name in names.split(",")})
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            left, right = line.split(" - ")
            kind, _, options = right.split()[:3]
            if kind == "cgroup2":
                points[""] = left.split()[4]
            elif kind == "cgroup":
                points.update({name: left.split()[4] for name in options.split(",")})
    return {points[name] + own[name].rstrip("/") for name in ("memory", "cpu", "pids", "") if name in points}


def make_own(path):
    os.mkdir(path)
    for entry in [path, *(file.path for file in os.scandir(path) if file.is_file())]:
        os.chown(entry, UID, UID)


def has_controllers(own):
    """Is this version 2, with what limits need? (Hosts may have these controllers in version 1.)"""
    try:
        with open(f"{own}/cgroup.controllers", encoding="ascii") as file:
            return "memory" in file.read().split()
    except FileNotFoundError:
        return False


def beside(own):
    """Version 2 has controllers for the children of groups only that hold no process, so what is delegated
    goes beside our own group; with all controllers, from the top on."""
    top = own
    while os.path.exists(f"{os.path.dirname(top)}/cgroup.controllers"):
        top = os.path.dirname(top)
    parent = own if own == top else os.path.dirname(own)
    path = top
    for part in ["", *os.path.relpath(parent, top).split("/")]:
        path = os.path.normpath(f"{path}/{part}")
        put(f"{path}/cgroup.subtree_control", CONTROLLERS)
    return parent


def delegate(name):
    """(what was made, the groups that the command begins in)."""
    made, begins = [], []
    for own in cgroup_dirs():
        if not has_controllers(own):
            made.append(f"{own}/{name}")
            begins.append(made[-1])
            make_own(made[-1])
            continue
        made.append(f"{beside(own)}/{name}")
        begins.append(f"{made[-1]}/shell")  # as systemd has it: a user's processes are in leaves
        make_own(made[-1])
        put(f"{made[-1]}/cgroup.subtree_control", CONTROLLERS)
        make_own(begins[-1])
    return made, begins


def remove(paths):
    for top in paths:
        for path, _, _ in os.walk(top, topdown=False):
            os.rmdir(path)


def subordinate_ids(scratch):
    """A user with a range of ids, seen by this process and its children only."""
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    for name, line in ("passwd", f"virga-test:x:{UID}:{UID}::/:/bin/sh"), ("subuid", f"virga-test:{FIRST}:{COUNT}"), \
                      ("subgid", f"virga-test:{FIRST}:{COUNT}"):
        path = f"/etc/{name}"
        if not os.path.exists(path):
            raise SystemExit(f"{path} does not exist; is the package uidmap installed?")
        copy = f"{scratch}/{name}"
        with open(path, encoding="utf-8") as file:
            put(copy, line + "\n" + file.read())
        must(libc.mount(copy.encode(), path.encode(), None, MS_BIND, None), f"bind {path}")


def become_user():
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def run(modes, groups, command):
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        for path in groups:
            put(f"{path}/cgroup.procs", "0")
        become_user()
        if "--inside" in modes:
            must(libc.unshare(CLONE_NEWUSER), "unshare")
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        if "--inside" in modes:
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        os.execvp(command[0], command)
    os.read(ready[0], 1)
    if "--inside" in modes:
        if "--alone" in modes:
            put(f"/proc/{child}/setgroups", "deny")
        for name in "uid_map", "gid_map":
            put(f"/proc/{child}/{name}", f"0 {UID} 1\n" + ("" if "--alone" in modes else f"1 {FIRST} 2000000\n"))
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda number, _: os.kill(child, number))
    os.write(go[1], b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(arguments):
    modes = set()
    while arguments[0] in ("--inside", "--bare", "--alone"):
        modes.add(arguments.pop(0))
    scratch = tempfile.mkdtemp(prefix="virga-rootless-")
    os.chmod(scratch, 0o755)
    made = groups = []
    try:
        while arguments[0] == "--copy":
            path = arguments[1]
            copy = shutil.copy(path, scratch)
            os.chmod(copy, 0o755)
            arguments = [copy if argument == path else argument for argument in arguments[2:]]
            if os.path.abspath(os.environ.get("TENANT", "")) == os.path.abspath(path):
                os.environ["TENANT"] = copy
        if not modes & {"--inside", "--alone"}:
            subordinate_ids(scratch)
        if "--bare" not in modes:
            made, groups = delegate(f"virga-rootless-{os.getpid()}")
        return run(modes, groups, arguments)
    finally:
        remove(made)
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
