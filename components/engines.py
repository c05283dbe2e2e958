"""The container engines: all that differs between podman and docker, and which one a lab gets.

A new engine is one row in `ENGINES`, and a name in `EngineChoice` that config may say. Everything else runs
`engine.name` with the words both understand.
"""

import ipaddress
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components.settings import EngineNetwork, NetworkSettings
from components.settings.families import FAMILIES, key_of
from components.settings.lab import EngineChoice

LAB_LABEL = "kalico"
"""On each network that a lab made, with the lab's name (network-create.sh sets it)."""
SUBNET_LABEL = "kalico.subnet"
SUBNET_LABELS = tuple(key_of(SUBNET_LABEL, version) for version in FAMILIES)

TIMEOUT = 20
"""Seconds that an engine has to answer in."""


class EngineError(RuntimeError):
    """No engine can be used, or the one that is used fails; says what was tried and what to do."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What the lab asks of an engine."""

    name: str
    """The engine's command and name, as kind's KIND_EXPERIMENTAL_PROVIDER has it."""
    mode_option: str
    """How `network create -o` calls the macvlan mode."""
    mtu_option: str | None
    """How it calls the MTU; None: the nodes' interfaces have the parent's (their pods' are the NAD's affair)."""
    makes_vlans: bool
    """Whether it makes a parent such as eth0.7 on eth0 that the machine has not, and takes it away with the network."""
    info_format: str
    """What `info --format` has to show to tell how the engine runs, in one call; nothing where no server answers."""
    rootless_answer: str
    """What the answer contains where the engine runs without root."""
    apart_answer: str | None
    """What it contains where the engine and its networks live in a virtual machine of their own."""
    makes_islands: bool
    """Whether a macvlan network without a parent gets an isolated link (where the kernel can), not an uplink."""
    addresses_nodes: bool
    """Whether a node gets an address of the network at every start (the join takes it off until the next).

    docker makes no macvlan network without. podman does, and has to: it writes the addresses of all networks into
    the node's hosts file in no fixed order, and kind's entrypoint takes the first for the node's own.
    """
    node_words: tuple[str, ...]
    """What kind adds to `run` for a node on this engine: a volume on /var above all, and what a node may."""
    default_network: str
    """That of containers which name none: it leads to wherever the machine gets."""
    read_network: Callable[[Mapping[str, Any]], EngineNetwork]
    """One network out of what `network inspect` shows."""

    def network_words(self, network: NetworkSettings) -> tuple[str, ...]:
        """The words of `network create` for a macvlan network, but for its parent and its name.

        Internal: the engine then gives the node no default route by it. podman would set one again at every
        start of the node, before the node's own, and kind's entrypoint breaks on two. Where nodes have addresses,
        they are of a block that neither the pods nor the gateway use; docker gives out the gateway's otherwise.
        """
        words = ["--driver", "macvlan", "--internal", "--opt", f"{self.mode_option}={network.mode}"]
        if network.mtu and self.mtu_option:
            words += ["--opt", f"{self.mtu_option}={network.mtu}"]
        for side in network.sides:
            words += ["--label", f"{side.key(SUBNET_LABEL)}={side.subnet}"]
        if not self.addresses_nodes:
            return (*words, "--ipam-driver", "none")
        if network.subnet.version == 6:
            return tuple(words)  # of IPv4 the engine then takes a pool of its own
        words += ["--subnet", str(network.subnet), "--ip-range", str(network.node_range)]
        return (*words, "--gateway", str(network.gateway)) if network.gateway else tuple(words)


def _dockers_network(shown: Mapping[str, Any]) -> EngineNetwork:
    blocks = (shown.get("IPAM") or {}).get("Config") or []
    subnets = [block["Subnet"] for block in blocks if "Subnet" in block]
    return _network(shown["Name"], subnets, (shown.get("Options") or {}).get("parent"), shown.get("Labels"))


def _podmans_network(shown: Mapping[str, Any]) -> EngineNetwork:
    subnets = [block["subnet"] for block in shown.get("subnets") or []]
    # Of a bridge network the interface is the bridge itself.
    parent = None if shown["driver"] == "bridge" else shown.get("network_interface")
    return _network(shown["name"], subnets, parent, shown.get("labels"))


def _network(name: str, subnets: Sequence[str], parent: str | None, labels: Mapping[str, str] | None) -> EngineNetwork:
    """A lab's network may have no subnet for the engine, or no IPv6: its labels say which the pods use."""
    labels = labels or {}
    said = [*subnets, *(labels[key] for key in SUBNET_LABELS if key in labels)]
    return EngineNetwork(
        name=name,
        subnets=tuple(dict.fromkeys(ipaddress.ip_network(text, strict=False) for text in said)),
        parent=parent or None,
        lab=labels.get(LAB_LABEL),
    )


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            name="docker",
            mode_option="macvlan_mode",
            # Its macvlan driver reads the mode and the parent, and passes over any other option.
            mtu_option=None,
            makes_vlans=True,
            # The server alone knows the system; some clients answer the rest by themselves, and end well.
            info_format="{{with .OperatingSystem}}{{.}} {{$.SecurityOptions}}{{end}}",
            rootless_answer="name=rootless",
            apart_answer="Docker Desktop",
            makes_islands=True,
            addresses_nodes=True,
            node_words=(
                *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
                *("--restart", "on-failure:1", "--init=false"),  # started again with the machine, and by that alone
                *("--volume", "/var"),
            ),
            default_network="bridge",
            read_network=_dockers_network,
        ),
        Engine(
            name="podman",
            mode_option="mode",
            mtu_option="mtu",
            makes_vlans=False,
            info_format="{{.Host.Security.Rootless}}",
            rootless_answer="true",
            apart_answer=None,
            makes_islands=False,
            addresses_nodes=False,
            node_words=("--mount", "type=volume,destination=/var,suid,exec,dev"),
            default_network="podman",
            read_network=_podmans_network,
        ),
    )
}
"""In the order in which `auto` asks them, which is kind's own."""


def by_digest(image: str) -> str:
    """The same image without its tag where it has a digest: podman takes one of the two alone."""
    name, at, digest = image.partition("@")
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{digest}" if at else image


class Standing(StrEnum):
    """How an engine stands to the lab, as the user reads it."""

    USABLE = "usable"
    APART = "keeps its networks in a virtual machine (Docker Desktop), apart from the machine's links"
    SILENT = "does not answer: its server has to run (a client alone is not enough)"
    ROOTLESS = "runs without root: its macvlan networks are apart from the machine's links"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an engine says when it is asked."""

    standing: Standing
    said: str = ""
    """Why there is no answer: the last line of what the engine's client said, or what came instead of one."""

    def __str__(self) -> str:
        return f"{self.standing}; {self.said}" if self.said else str(self.standing)


def ask(engine: Engine) -> Answer:
    """Ask the engine's server, with its own client."""
    if shutil.which(engine.name) is None:
        return Answer(standing=Standing.SILENT, said=f"there is no `{engine.name}` on PATH")
    words = [engine.name, "info", "--format", engine.info_format]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return Answer(standing=Standing.SILENT, said=f"its client said nothing for {TIMEOUT} s")
    if asked.returncode or not asked.stdout.strip():
        return Answer(standing=Standing.SILENT, said=last_line(asked.stderr))
    if engine.rootless_answer in asked.stdout:
        return Answer(standing=Standing.ROOTLESS)
    apart = engine.apart_answer is not None and engine.apart_answer in asked.stdout
    return Answer(standing=Standing.APART if apart else Standing.USABLE)


def put(words: Sequence[str], complaint: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Put a question to a program. Raises EngineError, with `complaint`, where it cannot be run or says nothing."""
    try:
        return subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{complaint}: {error}") from None


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def unfit(
    engine: Engine,
    standing: Standing,
    networks: Sequence[NetworkSettings],
    *,
    makes_links: bool,
    features: frozenset[str],
) -> str | None:
    """Why an engine that stands so cannot make these networks; None where nothing is known that is in the way.

    `makes_links`: whether this process may make links of the machine. `features`: of the machine's kernel.
    """
    on_links = [network.name for network in networks if network.parent]
    islands = [network.name for network in networks if network.plugin.on_network and not network.parent]
    bridges = [network.name for network in networks if network.needs_bridge]
    if standing is Standing.APART:
        if bridges:
            there = f"a bridge for the `mtu` of network {', '.join(bridges)} would not be there"
            return f"{standing}: {there}; give 1500 or less"
        if not on_links:
            return None
        return (
            f"{standing}: there is no `parent` of network {', '.join(on_links)}; "
            "without `parent` it is an island in that virtual machine, which works"
        )
    if makes_links or not islands:
        return None
    if engine.makes_islands and "dummy" in features:
        if not bridges:
            return None
        return (
            f"makes no isolated link with the `mtu` of network {', '.join(bridges)}, "
            "and only root may make a bridge instead: run as root, give 1500 or less, or name a `parent`"
        )
    lacks = "cannot make an isolated link (the kernel has no dummy module)"
    return (
        f"{lacks if engine.makes_islands else 'makes no isolated link'} for network {', '.join(islands)}, "
        "and only root may make a bridge instead: run as root or name a `parent`"
    )


def choose(
    choice: EngineChoice,
    used: str | None,
    ask: Callable[[Engine], Answer] = ask,
    unfit: Callable[[Engine, Standing], str | None] | None = None,
) -> Engine:
    """The engine of this lab: the one of `choice`, or of `auto` the first that can be used.

    `used`: the one that already runs the lab; it is not asked again, and `auto` stays with it. `unfit`: why one that
    answers cannot make the lab.
    """
    if used in ENGINES and choice in (EngineChoice.AUTO, used):
        return ENGINES[used]
    said = []
    for engine in ENGINES.values() if choice is EngineChoice.AUTO else [ENGINES[choice.value]]:
        answer = ask(engine)
        if answer.standing in (Standing.SILENT, Standing.ROOTLESS):
            said.append(f"\n  - {engine.name} {answer}")
        elif unfit and (reason := unfit(engine, answer.standing)):
            said.append(f"\n  - {engine.name} {reason}")
        else:
            return engine
    raise EngineError(
        f"no container engine can be used:{''.join(said)}\n"
        "`make up` as root installs and prepares podman; `pulumi config set engine` names another one"
    )
