"""A docker server of our own, from Debian's docker.io in a root file system of its own, beside whatever else runs.

For a machine that has no docker server (perhaps only the client). It listens on a socket in the cache folder, so it
is used by who sets DOCKER_HOST and by nobody else. `start` and `stop` may be called any number of times. Images and
containers stay in the cache between the two.

It shares the machine's network, as docker does, but not docker's firewall chains: a second server would empty those of
the first. In their place it has the few RULES, which let its networks out; published ports are served by docker's
proxy. `stop` takes away the rules and its bridges. IPv4 forwarding, which docker needs, stays on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from supply.images import debian

PACKAGES = ("ca-certificates", "docker.io", "iproute2", "iptables", "procps")
LONGEST_SOCKET_PATH = 107  # bytes, the kernel's limit
POOL = "172.28.0.0/16"  # docker takes the parts of it that the machine has no route to
START_SECONDS = 60
STOP_SECONDS = 90  # docker gives each container 10 s

# As docker has them for its networks, all of them at once.
RULES: tuple[tuple[str, ...], ...] = (
    ("nat", "POSTROUTING", "-s", POOL, "!", "-d", POOL, "-j", "MASQUERADE"),
    ("filter", "FORWARD", "-s", POOL, "-j", "ACCEPT"),
    ("filter", "FORWARD", "-d", POOL, "-j", "ACCEPT"),
)

Say = Callable[[str], None]
_INSIDE = Path(__file__).with_name("inside.sh")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where one server's things are."""

    run: Path
    data: Path

    @property
    def socket(self) -> Path:
        return self.run / "docker.sock"

    @property
    def record(self) -> Path:
        return self.run / "server.json"

    @property
    def log(self) -> Path:
        return self.run / "docker.log"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server's first process, its start (clock ticks since boot), which tells it from a later one, and its root."""

    pid: int
    started: int
    root: str


def places(cache: Path) -> Places:
    """Of the server of this cache. ValueError when a socket cannot be there."""
    found = Places(run=cache / "run/docker", data=cache / "docker")
    if len(os.fsencode(found.socket)) > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"{found.socket} is too long for a socket (at most {LONGEST_SOCKET_PATH} bytes): set a shorter KALICO_CACHE"
        )
    return found


def make_root(out: Path, say: Say) -> None:
    """Fills `out` with the server's root file system. Needs root and mmdebstrap."""
    say(f"docker server: Debian {debian.SUITE}'s docker.io in a root file system of its own")
    debian.make_root(out, PACKAGES)
    (out / "usr/lib/modules").mkdir(parents=True, exist_ok=True)  # kind mounts it into every node
    (out / "etc/resolv.conf").touch()
    (out / "var/lib/docker").mkdir(parents=True, exist_ok=True)


def command() -> list[str]:
    """What `start` runs; its settings go by `environment`."""
    return ["unshare", "--mount", "--propagation", "private", str(_INSIDE)]


def environment(root: Path, where: Places) -> dict[str, str]:
    """All that the script inside is told."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ROOT": str(root),
        "RUN": str(where.run),
        "DATA": str(where.data),
        "POOL": POOL,
        **{name: os.environ[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") if name in os.environ},
    }


def start(root: Path, cache: Path, say: Say) -> str:
    """Brings the server up, unless it is, and waits until it answers. Returns its DOCKER_HOST. Needs root."""
    where = places(cache)
    if answers(where.socket):
        return where.url
    root = root.resolve()
    _end(where, cache)  # of a server that was killed
    for folder in (where.run, where.data):
        folder.mkdir(parents=True, exist_ok=True)
    where.run.chmod(0o700)
    for rule in RULES:
        debian.run(rule_command(root, "-I", rule, str(cache)))
    before = time.monotonic()
    with where.log.open("wb") as log:
        first = subprocess.Popen(
            command(),
            env=environment(root, where),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    where.record.write_text(json.dumps(asdict(Server(pid=first.pid, started=_start_ticks(first.pid), root=str(root)))))
    while not answers(where.socket):
        if first.poll() is not None or time.monotonic() > before + START_SECONDS:
            _end(where, cache)
            tail = "\n".join(where.log.read_text(errors="replace").splitlines()[-10:])
            raise RuntimeError(f"the docker server did not come up; the end of {where.log}:\n{tail}")
        time.sleep(0.1)
    say(
        f"docker server: up in {time.monotonic() - before:.0f} s at {where.url}; data in {where.data},"
        f" log {where.log}; IPv4 forwarding is on"
    )
    return where.url


def in_use(cache: Path) -> bool:
    """Whether the server runs and has a container."""
    where = places(cache)
    if not answers(where.socket):
        return False
    asked = subprocess.run(
        ["docker", "--host", where.url, "ps", "--all", "--quiet"], capture_output=True, text=True, check=True
    )
    return bool(asked.stdout.strip())


def stop(cache: Path, say: Say) -> None:
    """Stops the server of this cache, if it runs, with its containers. Its data stay."""
    where = places(cache)
    if _read(where) is None:
        return
    _end(where, cache)
    say(f"docker server: stopped; its images and containers stay in {where.data} for the next start")


def answers(path: Path) -> bool:
    """Whether a docker server answers on this socket."""
    connection = http.client.HTTPConnection("docker", timeout=5)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(5)
            link.connect(str(path))
            connection.sock = link
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def _read(where: Places) -> Server | None:
    try:
        return Server(**json.loads(where.record.read_text()))
    except FileNotFoundError:
        return None


def _start_ticks(pid: int) -> int:
    """When the process began. FileNotFoundError or ProcessLookupError when there is none."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _end(where: Places, cache: Path) -> None:
    """Ends the recorded server: asks its first process to stop, then ends what is left of it, and nothing else.

    Then takes its rules and bridges from the machine's network.
    """
    server = _read(where)
    if server is None:
        return
    if _is_alive(server):
        os.kill(server.pid, signal.SIGTERM)
        _wait(lambda: not _is_alive(server), STOP_SECONDS)
    for pid in members(_processes(where)):
        _kill(pid)
    _wait(lambda: not members(_processes(where)), 10)
    _leave_network(Path(server.root), where, cache)
    where.socket.unlink(missing_ok=True)
    where.record.unlink()


def rule_command(root: Path, action: str, rule: tuple[str, ...], owner: str) -> list[str]:
    """iptables of the server's root: `action` is -I or -D. The owner's name tells the rules of two servers apart."""
    table, chain, *match = rule
    comment = ["-m", "comment", "--comment", f"docker server in {owner}"[:255]]
    return ["chroot", str(root), "iptables", "-w", "-t", table, action, chain, *comment, *match]


def bridges(links: str, networks: bytes) -> list[str]:
    """Of the bridges in `links` (of `ip -o link`) those of docker's networks that the server's own records know."""
    names = re.findall(r"^\d+: (br-[0-9a-f]{12}):", links, re.MULTILINE)
    return [name for name in names if name.removeprefix("br-").encode() in networks]


def _leave_network(root: Path, where: Places, cache: Path) -> None:
    for rule in RULES:
        with contextlib.suppress(RuntimeError):  # a start that failed may not have made it
            while True:  # a server that was killed has left its own
                debian.run(rule_command(root, "-D", rule, str(cache)))
    records = where.data / "network/files/local-kv.db"
    if records.exists():
        links = debian.run(["chroot", root, "ip", "-o", "link"])
        for bridge in bridges(links, records.read_bytes()):
            debian.run(["chroot", root, "ip", "link", "delete", bridge])


def _is_alive(server: Server) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(server.pid, os.WNOHANG)  # when we are the parent, or it would stay as a zombie
    try:
        return _start_ticks(server.pid) == server.started
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.1)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process, and whether it lives in the server's root file system."""

    pid: int
    parent: int
    inside: bool


def _processes(where: Places) -> Iterable[Process]:
    """All processes of the machine. Only in the server's root is this server's own folder mounted on /run/kalico."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                seen = folder / "root/run/kalico" / where.record.name
                inside = seen.exists() and seen.samefile(where.record)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            yield Process(pid=int(folder.name), parent=int(fields[1]), inside=inside)


def members(processes: Iterable[Process]) -> list[int]:
    """The ids of the processes inside and of their descendants: a container has a root of its own."""
    known = list(processes)
    children: dict[int, list[int]] = {}
    for process in known:
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    todo = [process.pid for process in known if process.inside]
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return sorted(found)
