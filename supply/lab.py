"""What `tools` and `lab` do: decide, make, then put things where the lab finds them."""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from supply import docker_server, images
from supply import machine as conditions
from supply.catalog import CATALOG, ENGINES, LAB, TOOLS
from supply.environment import pulumi_home
from supply.plan import Choice, Impossible, choose, decide, folder_of, make
from supply.prune import prune
from supply.schedule import watched
from supply.store import RECORD, Store
from supply.ways import DebianPackages, Machine, PluginThere, run

# site.yaml's key for each thing that the program would otherwise download by itself
SITE_KEYS = {
    "calico-manifest": "calicoManifest",
    "multus-manifest": "multusManifest",
    "whereabouts-manifest": "whereaboutsManifest",
    "whereabouts-pools-manifest": "whereaboutsPoolsManifest",
    "whereabouts-reservations-manifest": "whereaboutsReservationsManifest",
    "cni-archive": "cniPluginsArchive",
}


KIND_LABEL = "io.x-k8s.kind.cluster"
"""On every node that kind made, or the lab as kind would have made it."""


class NoEngine(RuntimeError):
    """No container engine answers; the text says what to do."""


def tools(machine: Machine) -> None:
    """Have the command line tools and the plugins."""
    choices = _decide(TOOLS, machine)
    make(choices, machine)
    link(choices, machine)


def lab(machine: Machine, engine: str, *, leases: bool = False) -> None:
    """Have everything, in the engine `auto`, `podman` or `docker`; write site.yaml and the engine's name.

    `leases`: the image of a DHCP server, too. One that was made before stays in site.yaml: that is every stack's.
    What makes a lab impossible here is said before anything is made: builds take many minutes.
    """
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine is {engine!r}; choose auto, {' or '.join(ENGINES)} (KALICO_ENGINE, kalico:engine)")
    store, env = machine.store, dict(machine.env)
    found = (
        watched("looking for an engine", partial(which_engine, machine), machine.say) if engine == "auto" else engine
    )
    choices = install(decide_lab(found, machine, leases=leases or was_made("dhcp-image", store)), machine)
    prepare = partial(conditions.prepare, found, store.root, machine.say)
    adapted = watched("adapting to this machine", prepare, machine.say)
    env |= adapted.environment
    folders = make(choices, machine)
    link(choices, machine)
    if engine == "auto" or not (store.run / "engine").exists():
        store.write(store.run / "engine", f"{found}\n")  # what `env` takes for auto
    if found == "docker" and "docker" in folders:
        env["DOCKER_HOST"] = watched("docker server", partial(start_docker, folders["docker"], machine), machine.say)
    site = {**adapted.site, **files_for_site(folders)}
    for name, site_key in {"node-image": "nodeImage", "dhcp-image": "dhcpServerImage"}.items():
        if folder := folders.get(name):
            bring_in = partial(images.import_into, found, folder, machine.say, env)
            site[site_key] = watched(f"{name} into {found}", bring_in, machine.say)
    if "node-image" in folders:
        tell_of_earlier_builds(found, str(site["nodeImage"]), machine.say, env)
    if site:
        store.write(
            store.site, f"# Written by `python -m supply lab`: defaults of this machine.\n{yaml.safe_dump(site)}"
        )
    else:
        store.site.unlink(missing_ok=True)
    wake(machine)
    watched("pruning", partial(prune, machine, found, env), machine.say)
    drop_caches(store)


def tell_of_earlier_builds(engine: str, image: str, say: conditions.Say, env: Mapping[str, str]) -> None:
    """Say which kind nodes run on what `image` was before: its name is the same, so no plan shows it."""
    nodes = run([engine, "ps", "--quiet", "--filter", f"label={KIND_LABEL}"], env).split()
    if not nodes:
        return
    now = run([engine, "image", "inspect", "--format", "{{.Id}}", image], env).strip().removeprefix("sha256:")
    try:
        made = run([engine, "inspect", "--format", "{{.Name}} {{.Config.Image}} {{.Image}}", *nodes], env)
    except RuntimeError:  # another lab's may go meanwhile
        return
    of_it = [(name.lstrip("/"), of) for name, called, of in map(str.split, made.splitlines()) if called == image]
    if earlier := sorted(name for name, of in of_it if of.removeprefix("sha256:") != now):
        say(
            f"{', '.join(earlier)}: on an earlier build of {image}; `make down`, then `make up` has the lab on this one"
        )


def was_made(name: str, store: Store) -> bool:
    """Whether the last way of a thing was gone already."""
    folder = folder_of(CATALOG[name], CATALOG[name].ways[-1], store, CATALOG)
    return folder is not None and store.made(folder) is not None


def decide_lab(engine: str, machine: Machine, *, leases: bool = False) -> dict[str, Choice]:
    """A way for everything. RuntimeError names at once all that cannot be had and all that the machine lacks."""
    problems, choices = [], dict[str, Choice]()
    try:
        further = ["dhcp-image"] if leases else []
        choices = _decide((*TOOLS, *LAB, *ENGINES[engine], *further), machine)
    except Impossible as error:
        problems.append(str(error))
    try:
        conditions.check(engine)
    except RuntimeError as error:
        problems.append(str(error))
    if problems:
        raise RuntimeError("\n".join(problems))
    return choices


def install(choices: Mapping[str, Choice], machine: Machine) -> dict[str, Choice]:
    """Install what comes as packages: seconds, and the machine can be looked at as it will be. The choices then."""
    due = {name: choice for name, choice in choices.items() if isinstance(choice.way, DebianPackages)}
    if due:
        make(due, machine)
    return {**choices, **{name: replace(choice, done=True) for name, choice in due.items()}}


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
    return docker_server.start(root, machine.store.root, machine.say)


def wake(machine: Machine) -> None:
    """What a lab needs after a reboot: a podman that knows of it; the supply's own docker server where it lives there.

    It is not started where the user names one, nor where the machine's own answers: the lab is there, or nowhere.
    """
    conditions.wake(machine.say)
    store = machine.store
    labs = docker_labs(store)
    if not labs or "DOCKER_HOST" in machine.env or not CATALOG["docker"].ways[0].refusal(machine):
        return
    if docker_server.answers(docker_server.places(store.root).socket):
        return
    current = folder_of(CATALOG["docker"], CATALOG["docker"].ways[-1], store, CATALOG)
    roots = [current, *sorted((store.root / "things/docker").glob("*"))]  # an earlier one is as good for this
    if root := next((root for root in roots if root and store.made(root)), None):
        machine.say(f"docker server: needed by {', '.join(labs)}")
        watched("docker server", partial(start_docker, root, machine), machine.say)


def docker_labs(store: Store) -> list[str]:
    """The clusters that are recorded to be on docker, and whose network is in our own server's records.

    Those keep networks of the past for a while: only together with the lab's own record does one count.
    """
    records = store.root / "docker/network/files/local-kv.db"
    networks = records.read_bytes() if records.exists() else b""
    return [
        record.parent.name
        for record in sorted(store.run.glob("*/engine"))
        if record.read_text().strip() == "docker" and f'"name":"{record.parent.name}"'.encode() in networks
    ]


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
            _link_plugin(choice, machine)


def _link_plugin(choice: Choice, machine: Machine) -> None:
    """A real folder with links in it: Pulumi passes over a folder that is a link itself."""
    name, version, store = choice.thing.plugin, choice.thing.version, machine.store
    place = pulumi_home(machine.env, store) / "plugins" / f"resource-{name}-{version}"
    source = choice.folder
    if isinstance(choice.way, PluginThere) and (users := choice.way.place(machine)) != place:
        source = users  # the user's own home of Pulumi, which ours does not look into
    if not source:
        if (place / f"pulumi-resource-{name}").is_symlink():
            shutil.rmtree(place)  # ours, of a time when the real one could not be had
        return
    for path in source.iterdir():
        if path.name != RECORD:
            store.link(place / path.name, path)
