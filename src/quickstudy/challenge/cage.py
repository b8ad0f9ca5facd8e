"""Runs a stranger's command with limits. A script of its own, of the standard library alone, in a process of its own.

    python -I -S cage.py '{"home": ..., "show": [...], "limits": {...}, ...}' command ...

Where the system lets it (Linux with user namespaces; root is not needed) the command sees no network, no process but
its own, and no file but those of ``show``, which it cannot write, and its home; when the first of its processes ends
or this one is killed, all of them are gone. Elsewhere the limits of resources hold alone. Which of it was done is
written to the file descriptor ``told``.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

NEW = {"user": 0x10000000, "files": 0x00020000, "processes": 0x20000000, "network": 0x40000000, "ipc": 0x08000000}
READ_ONLY, REMOUNT, BIND, BELOW, PRIVATE = 1, 32, 4096, 16384, 1 << 18
PARENT_DIES, NO_NEW_PRIVILEGES, ADOPT = 1, 38, 36
INSIDE = 1000
"""Number of the user that the command seems to run as: one without any rights."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
NO_PROGRAM = 127


def main() -> int:
    """Run the command and give its exit code."""
    want, command = json.loads(sys.argv[1]), sys.argv[2:]
    system = ctypes.CDLL(None, use_errno=True)
    try:
        done = want["isolate"] and apart(system)
    except OSError as error:
        tell(want["told"], {"unfurnished": str(error)})
        return NO_PROGRAM
    control(system, PARENT_DIES, signal.SIGKILL)
    control(system, ADOPT, 1)  # so that whatever is started can be found below this process, and is gone with it
    child = os.fork()
    if child:
        os.close(want["told"])
        return reaped(child)
    control(system, PARENT_DIES, signal.SIGKILL)
    try:
        root = furnished(system, want) if done else None
    except OSError as error:
        tell(want["told"], {"unfurnished": str(error)})
        os._exit(NO_PROGRAM)
    try:
        entry = os.fork() if done else 0
        if entry:
            os.close(want["told"])
            os._exit(reaped(entry))
        start(system, want, command, root, done)
    except OSError as error:
        tell(want["told"], {"failed": str(error)})
        os._exit(NO_PROGRAM)
    return 0


def apart(system: Any) -> bool:
    """Leave the others' namespaces; False where the system lets nobody, OSError where it lets nobody do more then."""
    user, group = os.geteuid(), os.getegid()
    flags = 0
    for flag in NEW.values():
        flags |= flag
    if not sys.platform.startswith("linux") or system.unshare(flags) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{INSIDE} {user} 1"), ("gid_map", f"{INSIDE} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


def control(system: Any, option: int, value: int) -> None:
    """prctl, where there is one."""
    if sys.platform.startswith("linux"):
        system.prctl(option, value, 0, 0, 0)


def reaped(child: int) -> int:
    """Wait for ``child``, and for whatever orphans there are on the way; its exit code."""
    while True:
        found, status = os.wait()
        if found == child:
            return os.waitstatus_to_exitcode(status) % 256


def mount(system: Any, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """OSError where it fails."""
    if system.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} (mounting {source})")


def furnished(system: Any, want: dict[str, Any]) -> str:
    """A root folder with nothing in it but what may be seen."""
    root = want["root"]
    mount(system, "none", "/", "", BELOW | PRIVATE)
    mount(system, "tmpfs", root, "tmpfs", 0, "size=16m,mode=755")
    for name, kind in (("/proc", "proc"), ("/tmp", "tmpfs")):
        os.makedirs(root + name, exist_ok=True)
        try:
            mount(system, kind, root + name, kind, 0, "size=16m" if kind == "tmpfs" else "")
        except OSError:  # inside some containers there is no /proc of one's own: then there is none
            continue
    for path in want["show"]:
        show(system, root, path)
    for path in DEVICES:
        place(system, root, path)
    place(system, root, want["home"])
    return str(root)


def show(system: Any, root: str, path: str) -> None:
    """Let ``path`` be read."""
    if os.path.islink(path):
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        if not os.path.lexists(root + path):
            os.symlink(os.readlink(path), root + path)
        return
    place(system, root, path)
    kept = os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    mount(system, "none", root + path, "", BIND | REMOUNT | READ_ONLY | kept | relative_time(path))


def relative_time(path: str) -> int:
    """A flag that a mount must keep, where it has it."""
    flag = 1 << 21
    return flag if os.statvfs(path).f_flag & 4096 else 0


def place(system: Any, root: str, path: str) -> None:
    """``path`` at the same place below ``root``."""
    if os.path.isdir(path):
        os.makedirs(root + path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "a"):
            pass
    mount(system, path, root + path, "", BIND | BELOW)


def start(system: Any, want: dict[str, Any], command: list[str], root: str | None, done: bool) -> None:
    """Become the command; what there is to say of it is told before."""
    if root is not None:
        os.chdir(root)
        if system.pivot_root(b".", b".") == 0:
            system.umount2(b".", 2)  # the old root, which lies on top
        else:
            os.chroot(".")
    os.chdir(want["at"])
    control(system, NO_NEW_PRIVILEGES, 1)
    for name, most in want["limits"].items():
        limit(name, most)
    if done:  # elsewhere all of the user's processes would count
        limit("NPROC", want["processes"])
    tell(want["told"], {"network": done, "files": done, "processes": done})
    os.set_inheritable(want["told"], False)
    os.execvpe(command[0], command, want["environment"])


def limit(name: str, most: int) -> None:
    """Set a limit of resources, as low as asked for or as it is already."""
    which = getattr(resource, f"RLIMIT_{name}", None)
    if which is None:
        return
    _, hard = resource.getrlimit(which)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))


def tell(descriptor: int, said: dict[str, Any]) -> None:
    """A line of JSON for whoever started this."""
    os.write(descriptor, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
