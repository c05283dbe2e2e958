"""From Pulumi's config to the lab's settings: the one place that reads the stack, the site file and the pins.

A key's value is the stack's; where the stack says nothing, a site file's (`KALICO_SITE`, the defaults of one
machine or company, same keys, of several the last one's; `KALICO_ENGINE` for the engine alone); else the default in
Pulumi.yaml.
"""

import json
import os
import platform
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pulumi
import yaml

from components.settings import ConfigError, LabSettings, load
from components.settings.lab import WHEREABOUTS_MANIFESTS
from components.workspace import with_machines

ROOT = Path(__file__).parent.parent
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

OF_VERSION = {
    "calicoVersion": ("calicoManifest",),
    "multusVersion": ("multusManifest", "multusImage"),
    "cniPluginsVersion": ("cniPluginsArchive",),
    "whereaboutsVersion": (*WHEREABOUTS_MANIFESTS, "whereaboutsImage"),
}
"""The keys of files and images that are of a version, by the version's key."""


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
    upstream = yaml.safe_load((ROOT / "manifests/upstream.yaml").read_text())
    return load(values_of(given), upstream, architecture())


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` config over this machine's site files and the defaults, by key, not checked yet."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    sites = [site_values(file) for file in os.environ.get("KALICO_SITE", "").split(os.pathsep) if file]
    if (engine := os.environ.get("KALICO_ENGINE", "auto")) != "auto":
        sites.append({"engine": engine})
    return merged(declared, given, *sites)


def site_values(file: str) -> dict[str, Any]:
    """What a site file says."""
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
    declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], *sites: Mapping[str, Any]
) -> dict[str, Any]:
    """`given` over `sites`, the last first, over the defaults of `declared`, all of its type, empty defaults left out.

    Pulumi has already put its defaults into `given`, so a value that equals its default counts as not said.
    """
    defaults = {key: declaration.get("default") for key, declaration in declared.items()}
    said = {key: _decoded(value, declared[key]["type"]) if key in declared else value for key, value in given.items()}
    said = {key: value for key, value in said.items() if key not in declared or value != defaults[key]}
    values = reduce(_over, (defaults, *sites, said))
    return {key: value for key, value in values.items() if value not in ({}, "") or value != defaults.get(key)}


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """`upper` over `lower`; what `lower` names for one version is not taken for another that `upper` says.

    Feature gates are put together one by one: that of a site may be what lets the kubelet run on the machine.
    """
    others = {
        key
        for version, keys in OF_VERSION.items()
        if version in upper and upper[version] != lower.get(version)
        for key in keys
    }
    values = {**{key: value for key, value in lower.items() if key not in others}, **upper}
    below, above = lower.get("featureGates"), upper.get("featureGates")
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        values["featureGates"] = {**below, **above}
    return values


def _decoded(value: Any, kind: str) -> Any:
    """Pulumi hands all over as text; what cannot be read as its kind stays text, to be refused."""
    if kind == "string" or not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return read if {"boolean": bool, "integer": int}.get(kind, type(read)) is type(read) else value
