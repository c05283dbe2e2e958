"""The container engines: all that differs between podman and docker, and which one a lab gets.

A new engine is one row in `ENGINES`. Everything else runs `engine.command` with the words both understand.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

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
            makes_islands=True,
            addresses_nodes=True,
        ),
        Engine(name="podman", command="podman", mode_option="mode", makes_islands=False, addresses_nodes=False),
    )
}
"""In the order in which `auto` asks them, which is kind's own."""


def answers(engine: Engine) -> bool:
    """Whether the engine's server can be used; a client alone cannot."""
    if shutil.which(engine.command) is None:
        return False
    try:
        asked = subprocess.run([engine.command, "info"], capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def choose(choice: EngineChoice, used: str | None, answers: Callable[[Engine], bool] = answers) -> Engine:
    """The engine of this lab. `used`: the one that already runs it, which `auto` stays with."""
    if choice is not EngineChoice.AUTO:
        return ENGINES[choice.value]
    if used in ENGINES:
        return ENGINES[used]
    for engine in ENGINES.values():
        if answers(engine):
            return engine
    raise EngineError(
        f"no container engine answers (asked {' and '.join(ENGINES)}): start or install one, "
        "or name it with `pulumi config set engine`"
    )
