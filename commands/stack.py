"""Pulumi's stack of a lab: brought up, shown, and taken down without a trace."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

from commands import leftovers

ROOT = Path(__file__).parent.parent


def up(stack: str, words: list[str]) -> int:
    """Bring the lab up, or what is missing of it. The update shows each step, so no preview comes before it."""
    select(stack)
    return pulumi(["up", "--stack", stack, "--yes", "--skip-preview", *words]).returncode


def preview(stack: str, words: list[str]) -> int:
    select(stack)
    return pulumi(["preview", "--stack", stack, "--diff", *words]).returncode


def down(stack: str, words: list[str]) -> int:
    """Destroy the lab and what a failed or killed run left of it. Fails where anything is still there."""
    select(stack)
    cluster = setting(stack, "clusterName")
    destroyed = pulumi(["destroy", "--stack", stack, "--yes", "--skip-preview", *words]).returncode
    left = leftovers.sweep(leftovers.run_folder(os.environ, cluster), cluster)
    for line in left:
        print(f"still there: {line}", file=sys.stderr)
    return destroyed or (1 if left else 0)


def remove(stack: str) -> None:
    """Take a stack's history and config away too; what it made must be gone."""
    pulumi(["stack", "rm", "--stack", stack, "--yes", "--preserve-config"])


def select(stack: str) -> None:
    """Make the stack where it is not there yet; free it where a run that was killed still holds its lock."""
    found = pulumi(["stack", "select", "--create", "--stack", stack], quiet=True)
    if found.returncode:
        sys.exit(found.stderr or found.stdout)
    locks = lock_files(os.environ, stack)
    if locks and not any(alive(json.loads(lock.read_text())) for lock in locks):
        print(f"stack {stack}: the run that held its lock is gone, the lock is taken off")
        pulumi(["cancel", "--stack", stack, "--yes"], quiet=True)


def setting(stack: str, key: str) -> str:
    found = pulumi(["config", "get", key, "--stack", stack], quiet=True)
    if found.returncode:
        sys.exit(found.stderr)
    return found.stdout.strip()


def lock_files(environment: Mapping[str, str], stack: str) -> list[Path]:
    """The lock files of a stack in a local backend; none for any other."""
    backend = urlparse(environment.get("PULUMI_BACKEND_URL", ""))
    if backend.scheme != "file":
        return []
    return list(Path(backend.netloc + backend.path, ".pulumi/locks").glob(f"**/{stack}/*.json"))


def alive(lock: Mapping[str, object]) -> bool:
    """Whether the process that holds a lock may still run. Of another machine's we know nothing."""
    return lock.get("hostname") != socket.gethostname() or Path(f"/proc/{lock.get('pid')}").exists()


def pulumi(words: list[str], *, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["pulumi", *words, "--non-interactive"], cwd=ROOT, capture_output=quiet, text=True, check=False
    )
