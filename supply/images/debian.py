"""Debian packages as folders: root file systems made by mmdebstrap, programs taken out of them with their libraries."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from supply.images.archive import Entry

SUITE = "trixie"
COMMAND = "mmdebstrap"
# nobody reads these inside a container
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*")
KEPT = "/usr/share/doc/*/copyright"


def run(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> str:
    """Stdout of `command`. RuntimeError with the end of what it said when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {tail}")
    return done.stdout


def bootstrap_command(out: Path, packages: Sequence[str], *, variant: str) -> list[str]:
    """The mmdebstrap call that fills `out`."""
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    options.append(f"--dpkgopt=path-include={KEPT}")
    return [COMMAND, "--quiet", f"--variant={variant}", *options, f"--include={','.join(packages)}", SUITE, str(out)]


def make_root(out: Path, packages: Sequence[str]) -> None:
    """A root file system that can be booted or entered, with these packages and what they depend on."""
    run(bootstrap_command(out, packages, variant="minbase"), env=_environment())


def unpack(out: Path, packages: Sequence[str]) -> None:
    """The files of these packages and of what they depend on, nothing configured."""
    run(bootstrap_command(out, packages, variant="extract"), env=_environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}


def applets(busybox: Path) -> list[str]:
    """Where busybox wants its names, such as `usr/bin/nc`."""
    return run([busybox, "--list-full"]).split()


def with_libraries(root: Path, programs: Iterable[str], *, also: Iterable[str] = ()) -> Iterator[Entry]:
    """`programs` (paths in `root`), files matching the patterns `also`, and the shared libraries all of them need."""
    loader = next(path for path in sorted(root.glob("usr/lib*/ld-linux*")))
    folders = ":".join(str(path) for path in sorted(root.glob("usr/lib/*-linux-gnu")))
    files = [root / program for program in programs]
    files += [path for pattern in also for path in sorted(root.glob(pattern))]
    libraries: set[Path] = set()
    for file in files:
        for line in run([loader, "--library-path", folders, "--list", file]).splitlines():
            _, arrow, place = line.partition("=>")
            if arrow and place.split()[0].startswith("/"):
                libraries.add(Path(place.split()[0]))
    yield Entry(path=str(loader.relative_to(root)), source=loader.resolve())
    for file in [*files, *sorted(libraries)]:
        if file.resolve() != loader.resolve():
            yield Entry(path=str(file.relative_to(root)), source=file.resolve())
