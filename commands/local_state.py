"""Pulumi's files of a stack in a local backend: who holds its lock, what a killed run left half-written, what stays."""

import json
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml


@dataclass(frozen=True, kw_only=True)
class LocalState:
    """The files of the stack `name` in the backend at `place`."""

    place: Path
    project: str
    name: str

    @property
    def stacks(self) -> Path:
        return self.place / ".pulumi/stacks" / self.project

    @property
    def checkpoint(self) -> Path:
        return self.stacks / f"{self.name}.json"

    @property
    def locks(self) -> Path:
        return self.place / ".pulumi/locks/organization" / self.project / self.name

    def lock_files(self) -> list[Path]:
        return sorted(self.locks.glob("*.json"))

    def held(self) -> bool:
        """Whether a run may be at work on the stack."""
        return any(map(_alive, self.lock_files()))

    def mend(self) -> list[str]:
        """Make readable again what was cut off in its writing; the lines say what that was. No run may be at work.

        Pulumi writes each file with its attributes beside it, first those and then the file, which takes its place by
        a rename. So a killed run leaves attributes without an end, with which no command reads the file any more, and
        files that have not been renamed. A machine that lost its power can have renamed a file without its content.
        """
        said = []
        checkpoint = self.checkpoint
        backup = checkpoint.with_suffix(".json.bak")
        if checkpoint.exists() and not _whole(checkpoint) and _whole(backup):
            checkpoint.write_bytes(backup.read_bytes())
            said.append(f"stack {self.name}: its state was lost in the writing, that of one step before is taken")
        if checkpoint.exists() and (mended := with_providers(checkpoint.read_text())):
            checkpoint.with_suffix(".json.attrs").unlink(missing_ok=True)  # They tell of the text before.
            checkpoint.with_suffix(".json.mended.tmp").write_text(mended)
            checkpoint.with_suffix(".json.mended.tmp").rename(checkpoint)
            said.append(f"stack {self.name}: its state, of a replacement that did not end, is put right")
        for attributes in [*self.stacks.glob(f"{self.name}.json*.attrs"), *self.locks.glob("*.attrs")]:
            if not _whole(attributes):
                attributes.unlink()  # Pulumi does without them.
        for unnamed in [*self.stacks.glob(f"{self.name}.json*.tmp"), *self.locks.glob("*.tmp")]:
            unnamed.unlink()
        return said

    def made(self, run: Path) -> frozenset[str]:
        """The names of the Commands in the state that have made something of the lab whose live files are in `run`;
        none where there is no state to be read."""
        try:
            found = json.loads(self.checkpoint.read_bytes())["checkpoint"]["latest"]["resources"]
            commands = [(each["urn"].rpartition("::")[2], each.get("inputs", {})) for each in found]
            return frozenset(
                name
                for name, inputs in commands
                if inputs.get("create") and inputs.get("environment", {}).get("RUN") == str(run)
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return frozenset()

    def forget(self) -> None:
        """Remove what Pulumi keeps of a stack that it has removed: a megabyte of backups for each run, and more."""
        for kept in ("backups", "history"):
            shutil.rmtree(self.place / ".pulumi" / kept / self.project / self.name, ignore_errors=True)
        for backup in self.stacks.glob(f"{self.name}.json.bak*"):
            backup.unlink()


def local_state(environment: Mapping[str, str], folder: Path, name: str) -> LocalState | None:
    """Where the stack `name` of the project in `folder` has its files; None where the backend is not a local one."""
    backend = urlparse(environment.get("PULUMI_BACKEND_URL", ""))
    if backend.scheme != "file":
        return None
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"]
    # `file://./state` lies in that folder, where Pulumi runs.
    return LocalState(place=folder / unquote(backend.netloc + backend.path), project=project, name=name)


def with_providers(text: str) -> str | None:
    """A checkpoint in which all resources have a provider; None where they have, or there is none to give them.

    What is to be replaced together with its provider, Pulumi deletes first and keeps a note of (`pendingReplacement`).
    If that run then ends between the new provider and the new resource, the note goes on naming the provider that is
    gone, and no command comes past one of a resource that has left the program, `destroy` neither.
    """
    try:
        state = json.loads(text)
        resources = state["checkpoint"]["latest"]["resources"]
        found = [
            (each["urn"], each["id"], each.get("delete", False))
            for each in resources
            if each["type"].startswith("pulumi:providers:")
        ]
    except (ValueError, LookupError, TypeError):
        return None
    latest, mended = {urn: identity for urn, identity, leaves in found if not leaves}, False
    there = {(urn, identity) for urn, identity, _ in found}
    for each in resources:
        urn, _, identity = each.get("provider", "").rpartition("::")
        if each.get("pendingReplacement") and urn in latest and (urn, identity) not in there:
            each["provider"] = f"{urn}::{latest[urn]}"
            mended = True
    return json.dumps(state, indent=4) if mended else None


def _whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _alive(lock: Path) -> bool:
    """Whether the process that holds a lock may still run. Of another machine's we know nothing."""
    try:
        holder = json.loads(lock.read_bytes())
    except FileNotFoundError:  # given back meanwhile
        return False
    except ValueError:  # cut off in the writing
        return False
    if holder.get("hostname") != socket.gethostname():
        return True
    try:
        # After a reboot the number may be another program's. (One that is wrapped is .pulumi-wrapped.)
        return "pulumi" in Path(f"/proc/{holder.get('pid')}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
