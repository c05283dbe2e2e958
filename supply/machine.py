"""What this machine lacks that a lab needs, and what can be done about it: found, cured, and said in one line each.

One row of CONDITIONS per condition. On an ordinary machine none applies and nothing is said, changed or written.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 12, 21, 24
INOTIFY_INSTANCES = 1024
MODULES = Path("/lib/modules")
PID_MAX = Path("/proc/sys/kernel/pid_max")
ALIVE = Path("/run/libpod/alive")
"""Written by root's podman at its first start after a boot, for which it takes the first start without this file."""
NAMESPACES = Path("/run/netns")
NETWORKS = Path("/run/containers/networks")
"""The addresses that podman has given and the names that its name server answers to."""
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
READ = re.compile(r'msg="Merged system config \\"(.*?)\\"')
"""What podman's log says of each file of its settings, in the order in which later ones win."""

Say = Callable[[str], None]
Toml = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What has to be set for the tools, and defaults of this machine for the program's configuration."""

    environment: dict[str, str]
    site: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found. The defaults are an ordinary machine; limits are hard ones, -1 for none at all."""

    engine: str
    root: bool = True
    admin: bool = True  # of mounts and links
    sys_resource: bool = True
    cgroup: int = 2
    files_limit: int = 1048576
    processes_limit: int = 4194304
    runtime: str = ""  # podman's OCI runtime
    has_runc: bool = True
    network: str = ""  # podman's network backend
    has_netavark: bool = True
    modules: bool = True
    inotify: int = INOTIFY_INSTANCES
    missed_boot: bool = False  # podman has not seen that the machine was started anew


@dataclass(frozen=True, kw_only=True)
class Cure:
    """What a condition comes to: settings, a change to the machine that only root can make, or the end."""

    says: str
    containers: Toml = field(default_factory=dict)  # for podman's containers.conf
    site: Mapping[str, object] = field(default_factory=dict)
    act: Callable[[], None] | None = None
    by_hand: str = ""  # the command that does what `act` does
    hopeless: bool = False  # no lab here, whatever is done


def no_admin(facts: Facts) -> Cure | None:
    """Root of a container that was given no rights of its own: podman can mount nothing and make no link."""
    if facts.engine != "podman" or not facts.root or facts.admin:
        return None
    return Cure(
        says="without CAP_SYS_ADMIN and CAP_NET_ADMIN podman makes no node here: "
        "run in a virtual machine or in a container started with --privileged",
        hopeless=True,
    )


def no_sys_resource(facts: Facts) -> Cure | None:
    """Without CAP_SYS_RESOURCE no limit can be raised and no OOM score lowered; podman and kubelet try both."""
    if facts.sys_resource or not facts.root:
        return None
    limits = [
        f"{name}={limit}:{limit}"
        for name, limit in (("nofile", facts.files_limit), ("nproc", facts.processes_limit))
        if limit >= 0
    ]
    return Cure(
        says=f"no CAP_SYS_RESOURCE: containers keep this machine's limits ({', '.join(limits)}),"
        " kubelet runs with KubeletInUserNamespace",
        containers={"containers": {"default_ulimits": limits}},
        site={"featureGates": {"KubeletInUserNamespace": True}},
    )


def crun_on_cgroup_v1(facts: Facts) -> Cure | None:
    """crun does not start a systemd node on a hybrid cgroup v1."""
    if facts.engine != "podman" or facts.cgroup != 1 or facts.runtime != "crun":
        return None
    if not facts.has_runc:
        return Cure(
            says="cgroup v1: podman runs containers by runc, installed for it, instead of crun",
            containers={"engine": {"runtime": "runc"}},
            act=lambda: _install("runc"),
            by_hand=" ".join(_install_command("runc")),
        )
    return Cure(
        says="cgroup v1: podman runs containers by runc instead of crun",
        containers={"engine": {"runtime": "runc"}},
    )


def no_names_on_networks(facts: Facts) -> Cure | None:
    """With podman's old CNI backend nodes do not find each other by name."""
    if facts.engine != "podman" or facts.network in {"", "netavark"}:
        return None
    if not facts.has_netavark:
        packages = ("netavark", "aardvark-dns")
        return Cure(
            says=f"podman uses netavark, installed for it, instead of {facts.network}: nodes find each other by name",
            containers={"network": {"network_backend": "netavark"}},
            act=lambda: _install(*packages),
            by_hand=" ".join(_install_command(*packages)),
        )
    return Cure(
        says=f"podman uses netavark instead of {facts.network}: nodes find each other by name",
        containers={"network": {"network_backend": "netavark"}},
    )


def no_modules_folder(facts: Facts) -> Cure | None:
    """kind mounts /lib/modules into every node."""
    if facts.modules:
        return None
    return Cure(
        says=f"made {MODULES}, empty: kind mounts it into the nodes",
        act=lambda: MODULES.mkdir(parents=True, exist_ok=True),
        by_hand=f"mkdir -p {MODULES}",
    )


def few_inotify_instances(facts: Facts) -> Cure | None:
    """kubelet, containerd and systemd of every node watch files, all counted for one user."""
    if facts.inotify >= INOTIFY_INSTANCES:
        return None
    if not facts.root:  # two nodes may do with what there is: said, not refused
        return Cure(
            says=f"fs.inotify.max_user_instances is {facts.inotify}: if nodes fail with 'too many open files', "
            f"run as root: sysctl fs.inotify.max_user_instances={INOTIFY_INSTANCES}"
        )
    return Cure(
        says=f"raised fs.inotify.max_user_instances from {facts.inotify} to {INOTIFY_INSTANCES} until the next boot",
        act=lambda: _write_number(INOTIFY, INOTIFY_INSTANCES),
        by_hand=f"sysctl fs.inotify.max_user_instances={INOTIFY_INSTANCES}",
    )


def podman_missed_the_boot(facts: Facts) -> Cure | None:
    """Where /run is kept on disk podman takes the containers of before for running ones, and ends none of them."""
    if facts.engine != "podman" or not facts.root or not facts.missed_boot:
        return None
    return Cure(
        says="started anew with its /run kept: podman was made to see that its containers do not run any more",
        act=forget_boot,
        by_hand=f"rm {ALIVE}",
    )


CONDITIONS: tuple[Callable[[Facts], Cure | None], ...] = (
    no_admin,
    no_sys_resource,
    crun_on_cgroup_v1,
    no_names_on_networks,
    no_modules_folder,
    few_inotify_instances,
    podman_missed_the_boot,
)


def cures(facts: Facts) -> list[Cure]:
    """What applies to this machine, in the order of the table."""
    return [cure for condition in CONDITIONS if (cure := condition(facts))]


def obstacles(facts: Facts) -> list[str]:
    """What stands in the way of a lab and is not ours to change, with the user's way out."""
    found = cures(facts)
    by_hand = [cure.by_hand for cure in found if cure.act] if not facts.root else []
    said = ["this machine needs a change that only root can make; run:\n" + "\n".join(by_hand)] if by_hand else []
    return [f"this machine: {cure.says}" for cure in found if cure.hopeless] + said


def check(engine: str) -> None:
    """Looks, changes nothing. RuntimeError names all that the user has to see to."""
    if found := obstacles(look(engine)):
        raise RuntimeError("\n".join(found))


def prepare(engine: str, cache: Path, say: Say) -> Prepared:
    """Looks, cures and says what it did. RuntimeError as of `check`."""
    facts = look(engine)
    if obstacle := obstacles(facts):
        raise RuntimeError("\n".join(obstacle))
    found = cures(facts)
    for cure in found:
        if cure.act:
            cure.act()
        say(f"this machine: {cure.says}")
    settings: dict[str, Any] = {}
    for cure in found:
        settings = merged(settings, cure.containers)
    place = _containers_conf(cache)
    if engine == "podman" and settings:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(toml(merged(_users_settings(place), settings)))
    elif engine == "podman":
        place.unlink(missing_ok=True)
    site: dict[str, object] = {}
    for cure in found:
        site |= cure.site
    return Prepared(environment=environment(engine, cache), site=site)


def wake(say: Say) -> None:
    """Cure what concerns a lab that is there already."""
    facts = Facts(engine="podman", root=os.geteuid() == 0, missed_boot=missed_boot())
    if (cure := podman_missed_the_boot(facts)) and cure.act:
        cure.act()
        say(f"this machine: {cure.says}")


def environment(engine: str, cache: Path) -> dict[str, str]:
    """What has to be set for `engine`, by what `prepare` and the docker server left in the cache. No effects, fast."""
    if engine == "podman" and (place := _containers_conf(cache)).exists():
        return {"CONTAINERS_CONF": str(place)}
    if engine == "docker" and _listens(ours := cache / "run/docker/docker.sock"):
        return {"DOCKER_HOST": f"unix://{ours}"}
    return {}


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
        return True


def look(engine: str) -> Facts:
    """The facts of this machine."""
    podman = _podman_info() if engine == "podman" else {}
    status = Path("/proc/self/status").read_text()
    return Facts(
        engine=engine,
        root=os.geteuid() == 0,
        admin=has_capability(status, CAP_SYS_ADMIN) and has_capability(status, CAP_NET_ADMIN),
        sys_resource=has_capability(status, CAP_SYS_RESOURCE),
        cgroup=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        processes_limit=processes_limit(resource.getrlimit(resource.RLIMIT_NPROC)[1], int(PID_MAX.read_text())),
        runtime=podman.get("runtime", ""),
        has_runc=shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") is not None,
        network=podman.get("network", ""),
        has_netavark=any(Path("/usr").glob("lib*/**/podman/netavark")),
        modules=MODULES.exists(),
        inotify=int(INOTIFY.read_text()),
        missed_boot=missed_boot(),
    )


def missed_boot() -> bool:
    """Whether podman's sign of life is older than the machine's."""
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return ALIVE.exists() and ALIVE.stat().st_mtime < int(boot.split()[1])


def forget_boot() -> None:
    """Have podman start as after a boot: it then counts no container as running.

    What it held for those of before goes too: names of lost namespaces, and addresses and host names, with which its
    name server would run on for ever.
    """
    for name in NAMESPACES.glob("netns-*"):
        if not os.path.ismount(name):
            name.unlink()
    shutil.rmtree(NETWORKS, ignore_errors=True)
    ALIVE.unlink()


def processes_limit(hard: int, pid_max: int) -> int:
    """What podman can still set: it has lowered its own limit to the kernel's number of process ids before."""
    return pid_max if hard < 0 else min(hard, pid_max)


def has_capability(status: str, number: int) -> bool:
    """Whether the effective set in the text of /proc/PID/status has this capability."""
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> number & 1)


def _podman_info() -> dict[str, str]:
    """podman's own defaults: asked without what an earlier run has written. Nothing where podman is not yet there."""
    if not shutil.which("podman"):
        return {}
    done = _ask_podman("info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.NetworkBackend}}")
    return dict(zip(("runtime", "network"), done.stdout.split(), strict=False))


def _ask_podman(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Without a CONTAINERS_CONF but that of `environment`: an earlier run may have set its own."""
    return subprocess.run(
        ["podman", *words],
        env={name: value for name, value in os.environ.items() if name != "CONTAINERS_CONF"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _containers_conf(cache: Path) -> Path:
    return cache / "run/containers.conf"


def _users_settings(ours: Path) -> dict[str, Any]:
    """What podman would read without us: CONTAINERS_CONF replaces all of it. Which files that are, it tells itself:
    whether root's home folder is among them goes by its version."""
    chosen = os.environ.get("CONTAINERS_CONF")
    without_ours = {"CONTAINERS_CONF": chosen} if chosen and Path(chosen) != ours else {}
    done = _ask_podman("--log-level=debug", "info", **without_ours)
    found: dict[str, Any] = {}
    for place in map(Path, READ.findall(done.stderr)):
        found = merged(found, tomllib.loads(place.read_text()))
    return found


def merged(below: Toml, above: Toml) -> dict[str, Any]:
    """Both, table by table; where both have a value, that of `above`."""
    return dict(below) | {
        key: merged(below[key], value) if isinstance(value, Mapping) and isinstance(below.get(key), Mapping) else value
        for key, value in above.items()
    }


def toml(settings: Toml, name: str = "") -> str:
    """TOML of nested tables of strings, numbers, booleans and lists of them."""
    values = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    lines = ([f"[{name}]"] if name else []) + [f"{_word(key)} = {_value(value)}" for key, value in values.items()]
    return "".join(f"{line}\n" for line in lines) + "".join(
        toml(table, f"{name}.{_word(key)}".lstrip(".")) for key, table in tables.items()
    )


def _word(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in text) + '"'


def _install_command(*packages: str) -> list[str]:
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def _install(*packages: str) -> None:
    done = subprocess.run(
        _install_command(*packages),
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"could not install {', '.join(packages)}: {done.stderr.strip()[-300:]}")


def _write_number(place: Path, number: int) -> None:
    place.write_text(f"{number}\n")
