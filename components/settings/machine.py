"""What of the machine a config has to fit: plain facts, gathered elsewhere."""

from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True, kw_only=True)
class EngineNetwork:
    """A network that the engine has already."""

    name: str
    subnets: tuple[IPv4Network, ...]
    parent: str | None
    """The link of the machine on which it lies, where it lies on one."""
    lab: str | None
    """The lab that made it; None where none did."""


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    links: frozenset[str]
    default_link: str | None
    """The link of the default route."""
    routes: tuple[tuple[IPv4Network, str], ...]
    """Where each subnet is reached, by link; without default routes."""
    engine_networks: tuple[EngineNetwork, ...]
    features: frozenset[str]
    """Kinds of links (vlan, dummy, macvlan, ipvlan) that the kernel makes, as far as it tells."""
