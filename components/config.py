"""From Pulumi's config to the lab's settings: the one place that reads the stack, the site file and the pins.

A key's value is the stack's; where the stack says nothing, the site file's (`KALICO_SITE`, the defaults of one
machine or company, same keys; `KALICO_ENGINE` for the engine alone); else the default in Pulumi.yaml.
"""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

from components.settings import ConfigError, LabSettings, load
from components.workspace import with_machines

ROOT = Path(__file__).parent.parent
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def load_settings() -> LabSettings:
    """The checked settings of this stack. All faults end the program with one message, before any resource."""
    given = {
        key.removeprefix("kalico:"): value
        for key, value in pulumi.runtime.config.CONFIG.get().items()
        if key.startswith("kalico:")
    }
    try:
        return settings_of(given)
    except ConfigError as error:
        raise pulumi.RunError(str(with_machines(error))) from None


def settings_of(given: Mapping[str, Any]) -> LabSettings:
    """The settings that `given` config makes on this machine. Raises ConfigError."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    site = site_values(os.environ.get("KALICO_SITE"))
    if (engine := os.environ.get("KALICO_ENGINE", "auto")) != "auto":
        site["engine"] = engine
    upstream = yaml.safe_load((ROOT / "manifests/upstream.yaml").read_text())
    return load(merged(declared, given, site), upstream, architecture())


def site_values(file: str | None) -> dict[str, Any]:
    """What a site file says; nothing where none is named."""
    if not file:
        return {}
    try:
        values = yaml.safe_load(Path(file).read_text()) or {}
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise pulumi.RunError(f"{file} (KALICO_SITE) cannot be read ({error}): mend it or unset KALICO_SITE") from None
    if not isinstance(values, dict):
        raise pulumi.RunError(f"{file} (KALICO_SITE) is not a mapping of config keys to values")
    return values


def architecture() -> str:
    """This machine's, and so its nodes', as the CNI plugins' archives name it."""
    machine = platform.machine().lower()
    if machine not in ARCHITECTURES:
        raise pulumi.RunError(f"kalico knows no CNI plugins for {machine}, only for {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[machine]


def merged(
    declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], site: Mapping[str, Any]
) -> dict[str, Any]:
    """`given` over `site` over the defaults of `declared`, all of its type, empty defaults left out.

    Pulumi has already put its defaults into `given`, so a value that equals its default counts as not said.
    """
    values: dict[str, Any] = {}
    for key, declaration in declared.items():
        default = declaration.get("default")
        value = _decoded(given[key], declaration["type"]) if key in given else default
        values[key] = site.get(key, value) if value == default else value
    values |= {key: value for key, value in {**site, **given}.items() if key not in declared}
    unsaid = {key: declaration.get("default") for key, declaration in declared.items()}
    return {key: value for key, value in values.items() if value not in ({}, "") or value != unsaid.get(key)}


def _decoded(value: Any, kind: str) -> Any:
    """Pulumi hands all over as text; what cannot be read as its kind stays text, to be refused."""
    if kind == "string" or not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return read if {"boolean": bool, "integer": int}.get(kind, type(read)) is type(read) else value
