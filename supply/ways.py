"""The ways by which a thing can come onto the machine. A thing lists its ways in order; the first usable one is taken.

Each way answers the same four questions: `refusal` (why it cannot be used here, or ''), `says` (one phrase for the
user), `recipe` (all that decides the outcome, for the thing's key) and `fill` (make the thing in a folder).
A way with `folder = False` makes no folder: the thing is there already, or somebody else fetches it when it is due.
"""

# ruff: noqa: ARG002 (every way takes the same arguments; not each needs them all)

import gzip
import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from supply.download import Refused, Web, checksum_for
from supply.environment import pulumi_home, users_home
from supply.machine import CAP_SYS_ADMIN, has_capability
from supply.schedule import Say
from supply.store import RECORD, Store

HERE = Path(__file__).parent
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the ways ask about the machine of this run."""

    store: Store
    web: Web
    env: Mapping[str, str]
    say: Say
    root: bool = field(default_factory=lambda: os.geteuid() == 0)
    mounts: bool = field(default_factory=lambda: has_capability(Path("/proc/self/status").read_text(), CAP_SYS_ADMIN))
    apt: threading.Lock = field(default_factory=threading.Lock)  # apt wants to be alone

    def which(self, command: str) -> str | None:
        """Where `command` is on the user's PATH, the supply's own links left out."""
        path = [folder for folder in self.env.get("PATH", "").split(":") if folder != str(self.store.bin)]
        return shutil.which(command, path=":".join(path))


class Way:
    """See the module's docstring."""

    folder: ClassVar[bool] = True
    lane: ClassVar[str] = "net"
    settled: ClassVar[bool] = True  # once made, better ways are not looked at again
    remembered: ClassVar[bool] = False  # once chosen, it is taken again without a look
    installs: ClassVar[bool] = False  # has something to do although it makes no folder

    @property
    def needs(self) -> tuple[str, ...]:
        """Other things of the catalog that this way starts from."""
        return ()

    def refusal(self, machine: Machine) -> str:
        raise NotImplementedError

    def says(self) -> str:
        raise NotImplementedError

    def recipe(self) -> str:
        return repr(self)  # for a way whose words are few

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        """Make the thing in the empty folder `out`; `made` has the folders of `needs`."""


def run(command: list[str], env: Mapping[str, str], cwd: Path | None = None, timeout: float | None = None) -> str:
    """A command's stdout. RuntimeError with the command and the end of what it said when it fails."""
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {tail}")
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class OnMachine(Way):
    """On PATH already, and `command` prints something that matches `version`."""

    folder = False
    command: tuple[str, ...]
    version: str

    def refusal(self, machine: Machine) -> str:
        path = machine.which(self.command[0])
        if not path:
            return f"no {self.command[0]} on PATH"
        try:
            said = run([path, *self.command[1:]], machine.env, timeout=10)
        except RuntimeError as error:
            return str(error).splitlines()[0][:200]
        return "" if re.search(self.version, said) else f"{path} is another version"

    def says(self) -> str:
        return "already on this machine"


@dataclass(frozen=True, kw_only=True)
class HasFiles(Way):
    """The machine has all of these files; shell patterns."""

    folder = False
    patterns: tuple[str, ...]

    def refusal(self, machine: Machine) -> str:
        missing = [pattern for pattern in self.patterns if not any(Path("/").glob(pattern.lstrip("/")))]
        return f"no {', '.join(missing)}" if missing else ""

    def says(self) -> str:
        return "already on this machine"


@dataclass(frozen=True, kw_only=True)
class Commands(Way):
    """These commands are on PATH; each with the package that has it."""

    folder = False
    packages: Mapping[str, str]

    def refusal(self, machine: Machine) -> str:
        missing = [f"{name} (package {self.packages[name]})" for name in self.packages if not machine.which(name)]
        return f"no {', no '.join(missing)} on PATH" if missing else ""

    def says(self) -> str:
        return "already on this machine"


@dataclass(frozen=True, kw_only=True)
class PluginThere(Way):
    """Laid out already, and not by us: in the home of Pulumi that the lab uses, or in the user's own."""

    folder = False
    name: str
    version: str

    def place(self, machine: Machine) -> Path | None:
        for home in (pulumi_home(machine.env, machine.store), users_home()):
            place = home / f"plugins/resource-{self.name}-v{self.version}"
            file = place / f"pulumi-resource-{self.name}"
            if file.is_file() and not file.is_symlink():
                return place
        return None

    def refusal(self, machine: Machine) -> str:
        return "" if self.place(machine) else f"no resource-{self.name}-v{self.version} in Pulumi's home"

    def says(self) -> str:
        return "already in Pulumi's home"


@dataclass(frozen=True, kw_only=True)
class LeftTo(Way):
    """Somebody else fetches it when it is due, from hosts that can be reached: `whom` from `urls`.

    A registry answers 401 to whoever has not logged in: that is an answer.
    """

    folder = False
    remembered = True
    whom: str
    urls: tuple[str, ...]
    only_without_mirror: bool = False  # a set mirror is meant for this

    def refusal(self, machine: Machine) -> str:
        if self.only_without_mirror and machine.web.mirror:
            return "a mirror is set"
        refusals = (machine.web.refusal(url, fine=(200, 401), mirrored=False) for url in self.urls)
        return next(filter(None, refusals), "")

    def says(self) -> str:
        return f"left to {self.whom}"


@dataclass(frozen=True, kw_only=True)
class Download(Way):
    """The official file: a program, a tar.gz of which `members` are kept, or with neither a file as it is.

    `sha256` by architecture where it is pinned here; else it is read from `sums`, the release's checksum file.
    """

    url: str  # with {arch}
    sha256: Mapping[str, str] = field(default_factory=dict)
    sums: str = ""
    program: str = ""  # the file is this program
    members: tuple[str, ...] = ()
    arch_names: Mapping[str, str] = field(default_factory=dict)  # what the release calls an architecture
    only_from_mirror: bool = field(default=False, repr=False)  # who else fetches it knows no mirror

    @property
    def address(self) -> str:
        return self.url.format(arch=self.arch_names.get(ARCH, ARCH))

    def refusal(self, machine: Machine) -> str:
        if self.only_from_mirror and not machine.web.mirror:
            return "no mirror is set"
        return machine.web.refusal(self.address)

    def says(self) -> str:
        return f"downloaded from {self.address}"

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        name = self.address.rsplit("/", 1)[1]
        wanted = self.sha256.get(ARCH) or checksum_for(name, machine.web.text(self.sums.format(arch=ARCH)))
        if self.program:
            machine.web.fetch(self.address, wanted, out / self.program)
            (out / self.program).chmod(0o755)
            return
        machine.web.fetch(self.address, wanted, out / name)
        if not self.members:
            return
        with tarfile.open(out / name) as archive:
            for member in archive:
                base = member.name.rsplit("/", 1)[-1]
                if base in self.members and (source := archive.extractfile(member)):
                    with source, (out / base).open("wb") as target:
                        shutil.copyfileobj(source, target)
                    (out / base).chmod(0o755)
        (out / name).unlink()
        if missing := [member for member in self.members if not (out / member).exists()]:
            raise Refused(f"{name} does not hold {', '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class FromModule(Way):
    """Built, or just copied, from a Go module by the go command: the folder gomodules/`recipe_folder` pins it.

    `packages` are built into programs named as Go names them, `files` (paths inside the module) are copied.
    """

    lane = "go"
    module: str
    version: str
    recipe_folder: str
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    set_at_link: tuple[tuple[str, str], ...] = ()  # Go string variables, such as the version
    beside: tuple[str, ...] = ()  # other things whose files go into the same folder
    changed: tuple[tuple[str, str], ...] = ()  # texts in the copied files, old and new
    called: str = ""  # for the user, where the module's version is not the thing's

    @property
    def needs(self) -> tuple[str, ...]:
        return self.beside

    @property
    def home(self) -> Path:
        return HERE / "gomodules" / self.recipe_folder

    def environment(self, machine: Machine) -> dict[str, str]:
        """Go's settings, the user's proxy left as it is; readonly: go.mod and go.sum here are the whole truth."""
        go = machine.store.root / "go"
        return {
            **machine.env,
            "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
            "GOWORK": "off",
            "GO111MODULE": "on",
            "GOMODCACHE": str(go / "mod"),
            "GOCACHE": str(go / "build"),
            "GOOS": "linux",
            "GOARCH": ARCH,
            "CGO_ENABLED": "0",
            "GOGC": "400",
        }

    def refusal(self, machine: Machine) -> str:
        if not machine.which("go"):
            return "no go command on PATH to build the module"
        machine.store.root.mkdir(parents=True, exist_ok=True)
        try:
            # one exact version: asks for a few bytes; outside any module, where -mod=readonly has nothing to read
            env = {**self.environment(machine), "GOFLAGS": "-mod=mod -modcacherw"}
            run(["go", "list", "-m", f"{self.module}@{self.version}"], env, cwd=machine.store.root, timeout=60)
            run(["go", "list", "-m"], self.environment(machine), cwd=self.home, timeout=60)  # Go itself new enough
        except RuntimeError as error:
            return str(error).splitlines()[-1][:200]
        return ""

    def says(self) -> str:
        verb = "built" if self.packages else "copied"
        changes = "".join(f", with {new} for {old}" for old, new in self.changed)
        return f"{verb} from module {self.module} {self.called or self.version}{changes}"

    def recipe(self) -> str:
        texts = [path.read_text() for path in sorted(self.home.iterdir())]
        choices = repr((self.packages, self.files, self.set_at_link, self.beside))
        changes = [f"{old} -> {new}" for old, new in self.changed]
        return "\n".join([choices, ARCH, *_GO_FLAGS, *texts, *changes])

    def fetch(self, machine: Machine) -> None:
        """Download the modules that the build needs, so that the compiler does not wait for them."""
        go = self.environment(machine)
        if self.packages:
            run(["go", "list", "-deps", *self.packages], go, cwd=self.home)
        else:
            run(["go", "mod", "download", self.module], go, cwd=self.home)

    def unpacked(self, machine: Machine) -> Path:
        """The module's own files."""
        said = run(["go", "mod", "download", "-json", self.module], self.environment(machine), cwd=self.home)
        return Path(json.loads(said)["Dir"])

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        if self.packages:
            values = " ".join(f"-X {name}={value}" for name, value in self.set_at_link)
            run(
                ["go", "build", *_GO_FLAGS, f"-ldflags=-s -w {values}", "-o", f"{out}/", *self.packages],
                self.environment(machine),
                cwd=self.home,
            )
        for path in (path for name in self.beside for path in made[name].iterdir() if path.name != RECORD):
            os.link(path, out / path.name)
        for file in self.files:
            target = out / file.rsplit("/", 1)[1]
            text = (self.unpacked(machine) / file).read_text()
            for old, new in self.changed:
                if old not in text:
                    raise RuntimeError(f"{file} of {self.module} has no {old!r} to change")
                text = text.replace(old, new)
            target.write_text(text)
            target.chmod(0o755 if text.startswith("#!") else 0o644)


_GO_FLAGS = (
    "-trimpath",
    "-gcflags=all=-dwarf=false",
)  # no debugger will look: a third less to compile and write


@dataclass(frozen=True, kw_only=True)
class Packed(Way):
    """The programs of another thing in one tar.gz, with the same bytes each time."""

    thing: str
    archive: str  # with {arch}

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.thing,)

    def refusal(self, machine: Machine) -> str:
        return ""

    def says(self) -> str:
        return f"packed from {self.thing}, built here"

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        with (
            (out / self.archive.format(arch=ARCH)).open("wb") as raw,
            gzip.GzipFile("", "wb", mtime=0, fileobj=raw, compresslevel=1) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path in sorted(path for path in made[self.thing].iterdir() if path.name != RECORD):
                entry = tar.gettarinfo(path, arcname=f"./{path.name}")
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = "root"
                with path.open("rb") as source:
                    tar.addfile(entry, source)


@dataclass(frozen=True, kw_only=True)
class DebianPackages(Way):
    """Installed by apt when we are root; else the command to run is the answer."""

    folder = False
    installs = True
    names: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        return ["apt-get", "install", "--yes", "--no-install-recommends", *self.names]

    def refusal(self, machine: Machine) -> str:
        if not machine.which("apt-get"):
            return f"no apt-get; install {', '.join(self.names)} with this distribution's own package manager"
        if not machine.root:
            return f"not root; run: sudo {' '.join(self.command)}"
        with machine.apt:
            try:
                run([*self.command, "--simulate"], _apt_environment(machine), timeout=60)
            except RuntimeError:
                try:  # a fresh machine has no lists yet
                    run(["apt-get", "update"], _apt_environment(machine), timeout=180)
                    run([*self.command, "--simulate"], _apt_environment(machine), timeout=60)
                except RuntimeError as error:
                    return str(error).splitlines()[-1][:200]
        return ""

    def says(self) -> str:
        return f"installed from the distribution's packages {', '.join(self.names)}"

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        machine.say(f"running: {' '.join(self.command)}")
        with machine.apt:
            run(self.command, _apt_environment(machine))


def _apt_environment(machine: Machine) -> dict[str, str]:
    return {**machine.env, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


@dataclass(frozen=True, kw_only=True)
class StandIn(Way):
    """Our own small substitute, copied from a folder of this package; given up as soon as the real one is there."""

    settled = False
    folder_name: str
    words: str

    def refusal(self, machine: Machine) -> str:
        return "" if (HERE / self.folder_name).is_dir() else f"supply/{self.folder_name} is missing"

    def says(self) -> str:
        return f"stood in for by {self.words}"

    def recipe(self) -> str:
        return _folder_text(self.folder_name)

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        shutil.copytree(
            HERE / self.folder_name,
            out,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.md"),
        )


@dataclass(frozen=True, kw_only=True)
class NodeImage(Way):
    """The node image with all the lab's images inside, put together by supply.images."""

    lane = "cpu"
    parts: tuple[str, ...]  # things of the catalog, handed over by these names
    modules: Mapping[str, FromModule]  # unpacked modules whose own files go in
    tools: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.parts, *self.tools)

    def refusal(self, machine: Machine) -> str:
        return "" if machine.root and machine.mounts else "a root file system is built by root with CAP_SYS_ADMIN only"

    def says(self) -> str:
        return "built here from Debian packages and Go modules"

    def recipe(self) -> str:
        return "".join(way.recipe() for way in self.modules.values()) + _folder_text("images")

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        images = importlib.import_module("supply.images")  # heavy, and only where it is needed
        binaries = {part: made[part] for part in self.parts}
        binaries |= {name: way.unpacked(machine) for name, way in self.modules.items()}
        images.build(out, binaries, machine.store.root, machine.say)


@dataclass(frozen=True, kw_only=True)
class ServerImage(Way):
    """The image of a DHCP server, put together by supply.server_image."""

    lane = "cpu"
    tools: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return self.tools

    def refusal(self, machine: Machine) -> str:
        return "" if machine.root and machine.mounts else "packages are unpacked by root with CAP_SYS_ADMIN only"

    def says(self) -> str:
        return "built here from Debian's dnsmasq-base"

    def recipe(self) -> str:
        return _folder_text("server_image") + _folder_text("images")  # which has the calls of mmdebstrap

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        importlib.import_module("supply.server_image").build(out, machine.say)


@dataclass(frozen=True, kw_only=True)
class DockerServer(Way):
    """A docker server in a root file system of its own, by supply.docker_server; runs only while it is needed."""

    settled = False
    lane = "cpu"
    tools: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return self.tools

    def refusal(self, machine: Machine) -> str:
        if not machine.root or not machine.mounts:
            return "a docker server of our own needs root with CAP_SYS_ADMIN; start yours, or use podman"
        try:
            importlib.import_module("supply.docker_server").places(machine.store.root)
        except ValueError as error:  # the socket's path is too long
            return str(error)
        return "" if machine.which("docker") else "no docker client; install docker.io or docker-cli, or use podman"

    def says(self) -> str:
        return "set up as a server of our own, Debian's docker.io, beside everything else"

    def recipe(self) -> str:
        return _folder_text("docker_server") + (HERE / "images/debian.py").read_text()  # the calls of mmdebstrap

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        importlib.import_module("supply.docker_server").make_root(out, machine.say)


@cache
def _folder_text(name: str) -> str:
    """All that a folder of this package holds, for a key."""
    files = (path for path in sorted((HERE / name).rglob("*")) if path.is_file() and path.suffix not in (".pyc", ".md"))
    return "\n".join(f"{path.relative_to(HERE)}\n{path.read_text(errors='replace')}" for path in files)
