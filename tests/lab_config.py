"""Configs of a lab for tests: the program's own defaults, and those with changes."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.settings import ConfigError, Fault, LabSettings, load

ROOT = Path(__file__).parent.parent
DECLARED: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
PINS: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((ROOT / "manifests/upstream.yaml").read_text())


def config(**changes: Any) -> dict[str, Any]:
    """What Pulumi.yaml's defaults say, with `changes`; empty ones are left out, as they are for the program."""
    values = {
        key: copy.deepcopy(entry["default"]) for key, entry in DECLARED.items() if entry["default"] not in ({}, "")
    }
    return values | changes


def network(*, without: str = "", ipam: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The default network's config with `changes` (those of its ipam apart), without one key."""
    base: dict[str, Any] = config()["networks"][0]
    base |= {"ipam": base["ipam"] | (ipam or {})} | changes
    return {key: value for key, value in base.items() if key != without}


def pod(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = config()["pods"][0]
    return base | changes


def lab(**changes: Any) -> LabSettings:
    """The settings of a lab that differs from the default by `changes`."""
    return load(config(**changes), PINS, "amd64")


def faults(**changes: Any) -> tuple[Fault, ...]:
    """The faults of such a lab's config; having none fails the test."""
    with pytest.raises(ConfigError) as caught:
        lab(**changes)
    return caught.value.faults
