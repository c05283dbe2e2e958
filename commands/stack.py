"""Pulumi's stack of a lab: brought up, shown, and taken down without a trace."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import RunError

from commands import leftovers
from commands.local_state import local_state
from components.config import values_of
from components.engines import ENGINES
from components.workspace import Workspace, cache_folder, owner_faults

ROOT = Path(__file__).parent.parent


CONFIGURED = ("up", "preview", "destroy", "config")
"""Pulumi's commands that take a config file."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack by its name, with the config file that Pulumi pairs with it or with another."""

    name: str
    config_file: Path | None = None
    folder: Path = ROOT

    @property
    def short_name(self) -> str:
        """As its program knows it: without organization and project."""
        return self.name.rsplit("/", 1)[-1]

    def up(self, *words: str, quiet: bool = False) -> int:
        """Bring the lab up, or what is missing of it. The update shows each step: no preview comes before it.

        What was begun and is not in the state goes at its end, however that was. Fails where that stays, too. (After an
        interrupt at the end of the next one: of a second interrupt's Pulumi a script may still be at it.)
        """
        self.select()
        failed = self.pulumi("up", "--yes", "--skip-preview", *words, quiet=quiet).returncode
        left = self.sweep_strays()
        for line in left:
            print(f"still there: {line}", file=sys.stderr)
        return failed or (1 if left else 0)

    def sweep_strays(self) -> list[str]:
        """Remove what runs of this stack had begun when they were killed, or failed, and its state has not; the lines
        say what could not be removed. Where the state is in local files, and knows of the lab."""
        state = local_state(os.environ, self.folder, self.name)
        if not state:
            return []
        left = []
        for run in leftovers.runs_of(os.environ, self.short_name):
            for begun in leftovers.begun(run):
                # (Asked each time, and in that order: another run may begin meanwhile, and one that ended is in it.)
                if not state.held() and (made := state.made(run)) and begun.resource not in made:
                    left += leftovers.remove(run, run.name, begun)
        return left

    def preview(self, *words: str) -> int:
        self.select()
        return self.pulumi("preview", "--diff", *words).returncode

    def down(self, *words: str, quiet: bool = False) -> int:
        """Destroy the lab and what a failed or killed run left of it. Fails where anything is still there."""
        self.select()
        cluster = self.setting("clusterName")
        run = leftovers.run_folder(os.environ, cluster)
        if faults := owner_faults(run, self.short_name):
            print(f"nothing was touched: {faults[0]}", file=sys.stderr)
            return 1
        trail = leftovers.trail(run, cluster)
        destroyed = self.pulumi("destroy", "--yes", "--skip-preview", *words, quiet=quiet).returncode
        left = leftovers.sweep(trail.run, cluster)
        if destroyed and not left:
            # What could not be deleted is gone now: the state would go on telling of it.
            destroyed = self.pulumi("destroy", "--yes", "--skip-preview", *words, quiet=quiet).returncode
        left += leftovers.residue(trail)
        for line in left:
            print(f"still there: {line}", file=sys.stderr)
        return destroyed or (1 if left else 0)

    def check(self, *_: str) -> int:
        """The self-test as `up` left its plan, on the lab as it is now."""
        cluster = self.setting("clusterName")
        run = leftovers.run_folder(os.environ, cluster)
        plan, record = run / "checks.json", run / "engine"
        # A killed run leaves the record empty.
        engine = ENGINES.get(record.read_text().strip()) if record.exists() else None
        if not plan.exists() or not engine:
            print("no self-test has been planned here: `up` has not come as far", file=sys.stderr)
            return 1
        workspace = Workspace(engine=engine, cluster_name=cluster, cache=cache_folder(dict(os.environ)))
        return subprocess.run(
            [sys.executable, "-m", "components.checks.run"],
            cwd=ROOT,
            env=os.environ | workspace.environment,
            input=plan.read_text(),
            text=True,
            check=False,
        ).returncode

    def remove(self) -> None:
        """Take the stack's own history away; what it made has to be gone."""
        removed = self.pulumi("stack", "rm", "--yes", quiet=True)
        if not removed.returncode and (state := local_state(os.environ, self.folder, self.name)):
            state.forget()

    def end(self, *, quiet: bool = False) -> int:
        """Down, and its history gone; that stays as long as there is anything that it knows of."""
        failed = self.down(quiet=quiet)
        if not failed:
            self.remove()
        return failed

    def outputs(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", quiet=True).stdout)
        return shown

    def setting(self, key: str) -> str:
        """As the program has it: the stack's, else a site file's, else the default."""
        found = self.pulumi("config", "get", key, quiet=True)
        if found.returncode:
            sys.exit(found.stderr)
        try:
            return str(values_of({key: found.stdout.strip()})[key])
        except RunError as error:
            sys.exit(str(error))

    def select(self) -> None:
        """Make the stack where it is not there yet; free it and mend its files where a run on it was killed."""
        state = local_state(os.environ, self.folder, self.name)
        free = state if state and not state.held() else None
        for line in free.mend() if free else []:
            print(line)
        found = self.pulumi("stack", "select", "--create", quiet=True)
        if found.returncode:
            sys.exit(found.stderr or found.stdout)
        if free and free.lock_files():
            print(f"stack {self.name}: the run that held its lock is gone, the lock is taken off")
            self.pulumi("cancel", "--yes", quiet=True)
        # One that was killed before it had its lock leaves its helpers, too.
        leftovers.end_orphans(self.folder)

    def command(self, *words: str) -> list[str]:
        configured = ["--config-file", str(self.config_file)] if self.config_file and words[0] in CONFIGURED else []
        return ["pulumi", *words, "--stack", self.name, "--non-interactive", *configured]

    def started_up(self, **options: Any) -> subprocess.Popen[str]:
        """An `up` that runs on beside the caller, on a stack that is selected. `options`: of Popen."""
        words = self.command("up", "--yes", "--skip-preview")
        return subprocess.Popen(words, cwd=self.folder, env=environment("up"), text=True, **options)

    def pulumi(self, *words: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Raises KeyboardInterrupt where the user had it end: when it has."""
        with interrupt_put_off():
            return subprocess.run(
                self.command(*words),
                cwd=self.folder,
                env=environment(words[0]),
                capture_output=quiet,
                text=True,
                check=False,
            )


@contextmanager
def interrupt_put_off() -> Iterator[None]:
    """Let a command that runs end an interrupt in its own time: the terminal sends it the signal, too.

    Pulumi ends its steps then, and writes down what they came to; `subprocess` would kill it after a quarter of a
    second. At a second signal Pulumi ends at once.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script
        yield
        return
    told = False

    def put_off(*_: object) -> None:
        nonlocal told
        told = True

    # (Not SIG_IGN, which the command would inherit.)
    before = signal.signal(signal.SIGINT, put_off)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if told:
        raise KeyboardInterrupt


COLLECT_LESS = {"GOGC": "800"}
"""Pulumi and its plugins are Go programs that live for seconds and spent a third of them on collecting."""

ALL_AT_ONCE = {"PULUMI_PARALLEL": "64"}
"""After each CRD that is made, the provider reads all kinds anew to check the next: so all are checked first."""

WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true", "PULUMI_PARALLEL_DIFF": "true"}
"""A preview keeps no state, yet Pulumi would write out a checkpoint at every step."""


def environment(command: str) -> dict[str, str]:
    """The environment of a Pulumi command."""
    own = COLLECT_LESS | (WITHOUT_CHECKPOINTS if command == "preview" else ALL_AT_ONCE)
    return own | os.environ | (compiled_elsewhere() if os.environ.get("PYTHONDONTWRITEBYTECODE") else {})


def compiled_elsewhere() -> dict[str, str]:
    """Where nothing compiled may lie beside the sources: else each command would compile the whole program anew."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache_folder(dict(os.environ)) / "compiled")}
