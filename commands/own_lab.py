"""A lab of a command's own, beside whatever else runs on the machine: the default one by other names and subnets."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from commands.stack import ROOT, Stack
from components.engines import choose
from components.settings.lab import EngineChoice


def found_engine() -> str:
    """The engine of KALICO_ENGINE, else the one whose server answers."""
    return choose(EngineChoice(os.environ.get("KALICO_ENGINE", "auto")), None).name


def own_config(cluster_name: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The default lab's networks and pods in a cluster of that name, with what `names` maps called otherwise."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    text = json.dumps({key: declared[key]["default"] for key in ("networks", "pods")})
    for default, own in names.items():
        text = text.replace(default, own)
    return {"clusterName": cluster_name, **json.loads(text)}


def own_stack(name: str, folder: Path, config: Mapping[str, Any], *, quiet: bool = False) -> Stack:
    """The stack of that name, its config written into `folder`. Exits where a killed run's lab does not go."""
    file = folder / f"Pulumi.{name}.yaml"
    file.write_text(yaml.safe_dump({"config": {f"kalico:{key}": value for key, value in config.items()}}))
    stack = Stack(name=name, config_file=file)
    if stack.down(quiet=quiet):
        sys.exit(f"what an earlier {name} left is not gone")
    return stack
