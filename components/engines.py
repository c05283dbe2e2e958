"""The container engines: all that differs between podman and docker, and which one a lab gets.

A new engine is one row in `ENGINES`. Everything else runs `engine.command` with the words both understand.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from components.settings import NetworkSettings
from components.settings.lab import EngineChoice


class EngineError(RuntimeError):
    """No engine can be used; says what was tried and what to do."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What the lab asks of an engine."""

    name: str
    """As kind's KIND_EXPERIMENTAL_PROVIDER names it."""
    command: str
    mode_option: str
    """How `network create -o` calls the macvlan mode."""
    rootless_format: str
    """What `info --format` has to show to tell whether the engine runs without root."""
    rootless_answer: str
    """What the answer then contains."""
    makes_islands: bool
    """Whether a macvlan network without a parent gets an isolated link (where the kernel can), not an uplink."""
    addresses_nodes: bool
    """Whether a node gets an address of the network at every start (the join takes it off until the next).

    docker makes no macvlan network without. podman does, and has to: it writes the addresses of all networks into
    the node's hosts file in no fixed order, and kind's entrypoint takes the first for the node's own.
    """

    def network_words(self, network: NetworkSettings) -> tuple[str, ...]:
        """The words of `network create` for a macvlan network, but for its parent and its name.

        Internal: the engine then gives the node no default route by it. podman would set one again at every
        start of the node, before the node's own, and kind's entrypoint breaks on two. Where nodes have addresses,
        they are of a block that neither the pods nor the gateway use; docker gives out the gateway's otherwise.
        """
        words = ["--driver", "macvlan", "--internal", "--opt", f"{self.mode_option}={network.mode}"]
        words += ["--label", f"kalico.subnet={network.subnet}"]
        if not self.addresses_nodes:
            return (*words, "--ipam-driver", "none")
        words += ["--subnet", str(network.subnet), "--ip-range", str(network.node_range)]
        return (*words, "--gateway", str(network.gateway)) if network.gateway else tuple(words)


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            name="docker",
            command="docker",
            mode_option="macvlan_mode",
            rootless_format="{{.SecurityOptions}}",
            rootless_answer="name=rootless",
            makes_islands=True,
            addresses_nodes=True,
        ),
        Engine(
            name="podman",
            command="podman",
            mode_option="mode",
            rootless_format="{{.Host.Security.Rootless}}",
            rootless_answer="true",
            makes_islands=False,
            addresses_nodes=False,
        ),
    )
}
"""In the order in which `auto` asks them, which is kind's own."""


class Standing(StrEnum):
    """What an engine says when it is asked, as the user reads it."""

    USABLE = "usable"
    SILENT = "does not answer: its server has to run (a client alone is not enough)"
    ROOTLESS = "runs without root: its macvlan networks are apart from the machine's links"


def ask(engine: Engine) -> Standing:
    """Ask the engine's server, with its own client."""
    if shutil.which(engine.command) is None:
        return Standing.SILENT
    words = [engine.command, "info", "--format", engine.rootless_format]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return Standing.SILENT
    # docker's client ends well without a server where only client-side things are asked for.
    if asked.returncode or not asked.stdout.strip():
        return Standing.SILENT
    return Standing.ROOTLESS if engine.rootless_answer in asked.stdout else Standing.USABLE


def choose(choice: EngineChoice, used: str | None, ask: Callable[[Engine], Standing] = ask) -> Engine:
    """The engine of this lab: the one of `choice`, or of `auto` the first that can be used.

    `used`: the one that already runs the lab; it is not asked again, and `auto` stays with it.
    """
    if used in ENGINES and choice in (EngineChoice.AUTO, used):
        return ENGINES[used]
    said = []
    for engine in ENGINES.values() if choice is EngineChoice.AUTO else [ENGINES[choice.value]]:
        standing = ask(engine)
        if standing is Standing.USABLE:
            return engine
        said.append(f"\n  - {engine.name} {standing}")
    raise EngineError(
        f"no container engine can be used:{''.join(said)}\n"
        "`make up` as root installs and prepares podman; `pulumi config set engine` names another one"
    )
