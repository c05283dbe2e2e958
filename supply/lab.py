"""What `tools` and `lab` do: decide, make, then put things where the lab finds them."""

import hashlib
import importlib
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from supply.catalog import CATALOG, ENGINES, LAB, TOOLS
from supply.environment import pulumi_home
from supply.plan import Choice, choose, decide, make
from supply.schedule import watched
from supply.store import RECORD, Store
from supply.ways import Machine

# site.yaml's key for each thing that the program would otherwise download by itself
SITE_KEYS = {
    "calico-manifest": "calicoManifest",
    "multus-manifest": "multusManifest",
    "cni-archive": "cniPluginsArchive",
}


class NoEngine(RuntimeError):
    """No container engine answers; the text says what to do."""


def tools(machine: Machine) -> None:
    """Have the command line tools and the plugins."""
    choices = _decide(TOOLS, machine)
    make(choices, machine)
    link(choices, machine)


def lab(machine: Machine, engine: str) -> None:
    """Have everything, in the engine `auto`, `podman` or `docker`; write site.yaml and the engine's name."""
    store, env = machine.store, dict(machine.env)
    found = (
        watched("looking for an engine", partial(which_engine, machine), machine.say) if engine == "auto" else engine
    )
    choices = _decide((*TOOLS, *LAB, *ENGINES[found]), machine)
    folders = make(choices, machine)
    link(choices, machine)
    if engine == "auto" or not (store.run / "engine").exists():
        store.write(store.run / "engine", f"{found}\n")  # what `env` takes for auto
    prepare = partial(importlib.import_module("supply.machine").prepare, found, store.root, machine.say)
    adapted = watched("adapting to this machine", prepare, machine.say)
    env |= adapted.environment
    if found == "docker" and "docker" in folders:
        env["DOCKER_HOST"] = watched("docker server", partial(start_docker, folders["docker"], machine), machine.say)
    site = {**adapted.site, **files_for_site(folders)}
    if "node-image" in folders:
        images = importlib.import_module("supply.images")
        bring_in = partial(images.import_into, found, folders["node-image"], machine.say, env)
        site["nodeImage"] = watched(f"node image into {found}", bring_in, machine.say)
    if site:
        store.write(
            store.site, f"# Written by `python -m supply lab`: defaults of this machine.\n{yaml.safe_dump(site)}"
        )
    else:
        store.site.unlink(missing_ok=True)
    drop_caches(store)


def drop_caches(store: Store) -> None:
    """Go's caches, 16 GB, once all is built; that takes minutes, so it goes on by itself, behind everything else."""
    go, dropped = store.root / "go", store.root / "go.dropped"
    if go.exists():
        go.rename(dropped / str(time.time_ns())) if dropped.exists() else go.rename(dropped)
    if dropped.exists():
        words = ["nice", "-n", "19", "ionice", "-c", "3", "rm", "-rf", str(dropped)]
        subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _decide(goals: Sequence[str], machine: Machine) -> dict[str, Choice]:
    return watched("looking at the machine and the network", partial(decide, goals, machine), machine.say)


def docker(machine: Machine) -> str:
    """Bring up the supply's own docker server, whatever other there is; its DOCKER_HOST."""
    own = {"docker": replace(CATALOG["docker"], ways=CATALOG["docker"].ways[-1:])}
    folders = make(decide(["docker"], machine, {**CATALOG, **own}), machine)
    return start_docker(folders["docker"], machine)


def start_docker(root: Path, machine: Machine) -> str:
    """Start the supply's own docker server, unless it runs; its DOCKER_HOST."""
    url: str = importlib.import_module("supply.docker_server").start(root, machine.store.root, machine.say)
    return url


def which_engine(machine: Machine) -> str:
    """The engine whose server answers, in the order that kind asks; podman where none does, to be installed."""
    for name in ENGINES:
        if not CATALOG[name].ways[0].refusal(machine):
            return name
    choice = choose(CATALOG["podman"], machine, CATALOG)
    if not isinstance(choice, Choice):
        raise NoEngine(
            "no container engine answers here, and podman cannot be installed:\n"
            + "\n".join(f"  - {why}" for why in choice)
        )
    return "podman"


def files_for_site(folders: Mapping[str, Path]) -> dict[str, object]:
    """site.yaml's entries for the files that were made here instead of downloaded by the program."""
    entries: dict[str, object] = {}
    for name, site_key in SITE_KEYS.items():
        if folder := folders.get(name):
            (file,) = (path for path in folder.iterdir() if path.name != RECORD)
            entries[site_key] = {"source": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    return entries


def link(choices: Mapping[str, Choice], machine: Machine) -> None:
    """Point bin/ and Pulumi's plugin folders at what was made, and at nothing else."""
    store = machine.store
    for choice in choices.values():
        for tool in choice.thing.tools:
            if choice.folder and (choice.folder / tool).exists():
                store.link(store.bin / tool, choice.folder / tool)
            elif not choice.folder:
                (store.bin / tool).unlink(missing_ok=True)  # the machine's own is used now
        if choice.thing.plugin:
            _link_plugin(choice, pulumi_home(machine.env, store)[0], store)


def _link_plugin(choice: Choice, home: Path, store: Store) -> None:
    """A real folder with links in it: Pulumi passes over a folder that is a link itself."""
    name, version = choice.thing.plugin, choice.thing.version
    place = home / "plugins" / f"resource-{name}-{version}"
    if not choice.folder:
        if (place / f"pulumi-resource-{name}").is_symlink():
            shutil.rmtree(place)  # ours, of a time when the real one could not be had
        return
    for path in choice.folder.iterdir():
        if path.name != RECORD:
            store.link(place / path.name, path)
