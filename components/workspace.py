"""Where a lab lives on this machine: its engine, its folder of live files, the cache of upstream files."""

import atexit
import os
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components import machine, upstream
from components.engines import Engine, EngineError, Standing, choose, unfit
from components.records import records
from components.settings import ConfigError, Fault, LabError, LabSettings, NetworkSettings, machine_faults
from components.settings.machine import asks_kernel, asks_parent, given_faults, node_range_faults, standing_faults

OWNER = "stack"
"""The live file that says whose the lab is."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    engine: Engine
    cluster_name: str
    cache: Path
    """Upstream files, shared by all labs."""

    @property
    def run(self) -> Path:
        """What lives as long as the lab: its kubeconfig, its engine, what was begun and why (see `drift`)."""
        return self.cache / "run" / self.cluster_name

    @property
    def kubeconfig(self) -> Path:
        return self.run / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """What every script of the lab may rely on."""
        return {
            "ENGINE": self.engine.name,
            "CLUSTER": self.cluster_name,
            "RUN": str(self.run),
            # kubectl would keep what it learns of the API in the user's own ~/.kube.
            "KUBECACHEDIR": str(self.cache / "kubectl"),
        }


def cache_folder(environment: dict[str, str]) -> Path:
    """`KALICO_CACHE`, or kalico's folder in the user's cache (XDG)."""
    if chosen := environment.get("KALICO_CACHE"):
        return Path(chosen)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kalico"


def find_workspace(settings: LabSettings) -> Workspace:
    """The workspace of this lab, with the upstream files in its cache.

    What cannot be had, an engine or a file, ends the program before any resource, and so does what the machine is in
    the way of. A lab that is as it was made costs no question to anyone.
    """
    cache = cache_folder(dict(os.environ))
    try:
        engine = find_engine(settings, cache)
        manifests = [source for source in settings.sources if source != settings.cni_plugins]
        upstream.have(manifests, settings.cni_plugins, cache)
    except (ConfigError, EngineError, upstream.UpstreamError) as error:
        raise pulumi.RunError(str(error)) from None
    workspace = Workspace(engine=engine, cluster_name=settings.cluster_name, cache=cache)
    if not pulumi.runtime.is_dry_run():
        claim(workspace.run, pulumi.get_stack())
        # Where all else of the lab is replaced, the note has gone with the last of it: see `tidy` in live-files.sh.
        atexit.register(claim, workspace.run, pulumi.get_stack())
    return workspace


def owner(run: Path) -> str:
    """The stack whose lab has these live files; '' where nobody has said so."""
    record = run / OWNER
    return record.read_text().strip() if record.exists() else ""


def claim(run: Path, stack: str) -> None:
    """Say that the lab with these live files is the stack's: another one's would else be taken for a killed run's."""
    if owner(run) != stack:
        run.mkdir(parents=True, exist_ok=True)
        (run / OWNER).write_text(f"{stack}\n")


def owner_faults(run: Path, stack: str) -> tuple[Fault, ...]:
    other = owner(run)
    if other in ("", stack):
        return ()
    problem = f"{run.name!r} is the lab of stack {other!r}, and this is stack {stack!r}"
    remedy = (
        f"choose other names and subnets, or `make down STACK={other}` first "
        f"(of a stack that was renamed, write the new name into {run / OWNER})"
    )
    return (Fault(key="clusterName", problem=problem, remedy=remedy),)


def with_machines(error: ConfigError) -> ConfigError:
    """The faults of a config, and those of what the machine is in the way of, of all that could be read."""
    if isinstance(error, LabError):
        try:
            find_engine(error.settings, cache_folder(dict(os.environ)), error.unsound)
        except ConfigError as more:
            return ConfigError((*error.faults, *more.faults))
        except EngineError:
            pass  # Told of when the config can be used.
    return error


def find_engine(settings: LabSettings, cache: Path, unsound: frozenset[str] = frozenset()) -> Engine:
    """The engine of this lab, on a machine that is in the way of nothing. Raises EngineError, and ConfigError as
    `check_machine`."""
    run = cache / "run" / settings.cluster_name
    if faults := owner_faults(run, pulumi.get_stack()):
        raise ConfigError(faults)
    record = run / "engine"
    used = record.read_text().strip() if record.exists() else None

    def unfit_here(engine: Engine, standing: Standing) -> str | None:
        may, kinds = machine.makes_links(), machine.features()
        return unfit(engine, standing, settings.networks, makes_links=may, features=kinds)

    engine = choose(settings.engine, used, unfit=unfit_here)
    # What another engine has of the lab is no part of it on this one.
    check_machine(settings, engine, run if used == engine.name else None, unsound)
    return engine


def check_machine(
    settings: LabSettings, engine: Engine, run: Path | None, unsound: frozenset[str] = frozenset()
) -> None:
    """Raises ConfigError for what the machine is in the way of, among what is not made yet.

    `run`: the live files of a lab that was made; None where there is none. Where all is made, what no record tells of
    (the pods' plugin, an MTU, how many join, who gets which address) is compared with what files of the machine tell,
    and no process is started. `unsound`: networks that are not looked at.
    """
    networks = settings.networks
    made = {*unsound, *(network.name for network in networks if run and is_made(network, run))}
    moved = moved_subnets(settings, run) if run else CLUSTERS_OWN
    if made != {network.name for network in networks} or moved:
        faults = machine_faults(settings, machine.facts(engine), made, moved)
    else:
        features = machine.features() if any(map(asks_kernel, networks)) else None
        links = machine.mtus() if any(map(asks_parent, networks)) else {}
        faults = standing_faults(settings, features, links, made)
    # A network that is made may yet have to take one more worker.
    if engine.addresses_nodes:
        faults += node_range_faults(settings, made - unsound)
    # A parent leads to others, and a pod's address may be new on a network that is not.
    if on_parents := {network.name for network in networks if network.parent and network.name in made - unsound}:
        faults += given_faults(settings, machine.neighbours(), on_parents)
    if faults:
        raise ConfigError(faults)


def is_made(network: NetworkSettings, run: Path) -> bool:
    """Whether the lab with these live files has made the network, with the subnets, on the link and in the mode that
    config says."""
    record = records(run).get(f"network.{network.name}")
    if record is None:
        # A bridge is made by the pods' plugin in their node, and nothing tells of it before the cluster is asked.
        return not network.plugin.on_network
    subnets = [*map(str, network.subnets)]
    there = network.link in (None, record.parent) and record.subnet.split() == subnets
    return there and record.mode in ("", network.mode)


CLUSTERS_OWN = ("podSubnet", "serviceSubnet")


def moved_subnets(settings: LabSettings, run: Path) -> tuple[str, ...]:
    """The keys of the cluster's subnets that are others than those with which it was made, as far as its record tells:
    it is then made anew."""
    record = records(run).get("cluster")
    said = (str(settings.pod_subnet), str(settings.service_subnet))
    was = record.subnet.split() if record else []
    return tuple(key for key, subnet, made in zip(CLUSTERS_OWN, said, was, strict=False) if subnet != made)
