"""The cache folder: things made once, each in a folder of its own, and the links to what they hold.

things/NAME/VERSION-KEY/   one thing; there only when it is whole
bin/  pulumi/  go/  run/   links to the tools, Pulumi's home, Go's caches, live files
ways.json                  what was decided about things that need no folder
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

RECORD = ".kalico.json"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A thing that is there: its folder, how it came (`built from module v0.27.0`), seconds that took."""

    folder: Path
    way: str
    seconds: float


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """`$KALICO_CACHE`, else `kalico` in the user's XDG cache folder; absolute."""
    if chosen := env.get("KALICO_CACHE"):
        return Path(chosen).absolute()
    home = env.get("HOME") or str(Path.home())
    return Path(env.get("XDG_CACHE_HOME") or f"{home}/.cache") / "kalico"


@dataclass(frozen=True, kw_only=True)
class Store:
    """The cache folder at `root`."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def site(self) -> Path:
        return self.root / "site.yaml"

    def folder(self, name: str, version: str, key: str) -> Path:
        return self.root / "things" / name / f"{version}-{key}"

    def made(self, folder: Path) -> Made | None:
        """What is in `folder`, or None when it was never finished."""
        try:
            record = json.loads((folder / RECORD).read_text())
        except FileNotFoundError:
            return None
        return Made(folder=folder, way=record["way"], seconds=record["seconds"])

    def make(self, folder: Path, way: str, fill: Callable[[Path], None]) -> Made:
        """Fill a folder beside `folder` and rename it at the end, so that a half-made thing never counts."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            fill(draft)
            seconds = round(time.monotonic() - start, 1)
            (draft / RECORD).write_text(json.dumps({"way": way, "seconds": seconds}))
            draft.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)  # an unfinished one cannot be here, a damaged one can
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return Made(folder=folder, way=way, seconds=seconds)

    def link(self, place: Path, target: Path) -> None:
        """Let `place` point at `target`, in one step; whatever was there is replaced."""
        if place.is_symlink() and place.readlink() == target:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        draft.replace(place)

    def write(self, place: Path, text: str) -> None:
        """Write a small file in one step."""
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        draft.write_text(text)
        draft.replace(place)

    def remembered(self) -> dict[str, Any]:
        """The decisions of earlier runs, by thing."""
        try:
            known: dict[str, Any] = json.loads((self.root / "ways.json").read_text())
            return known
        except (FileNotFoundError, ValueError):
            return {}

    def remember(self, ways: Mapping[str, Any]) -> None:
        self.write(self.root / "ways.json", json.dumps(ways, indent=1, sort_keys=True) + "\n")

    @contextmanager
    def locked(self, say: Callable[[str], None], interval: float = 10) -> Iterator[None]:
        """Only one run at a time makes things here; the kernel frees the lock of a run that was killed.

        The others wait, as long as builds take, and say every `interval` seconds what for.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        place = self.root / "lock"
        with place.open("a+") as handle:  # not emptied: it says who holds it
            start = time.monotonic()
            spoken = start - interval
            while not _taken(handle):
                if (now := time.monotonic()) >= spoken + interval:
                    spoken = now
                    holder = place.read_text().strip() or "another process"
                    say(f"{now - start:4.0f} s: waiting for {place}, which {holder} holds")
                time.sleep(0.1)
            place.write_text(f"process {os.getpid()} (supply {' '.join(sys.argv[1:])})\n")
            for draft in self.root.glob("things/*/.draft-*"):  # of a run that was killed: we hold the lock
                shutil.rmtree(draft, ignore_errors=True)
            yield


def _taken(handle: IO[str]) -> bool:
    """Whether the lock on this file is ours now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
