"""What a network is in each of the two families, IPv4 and IPv6: the keys of the second end in 6."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.settings.blocks import EVERYWHERE, Address, Span, Subnet, is_host, within
from components.settings.faults import Section, known

FAMILIES = (4, 6)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A network in one family."""

    subnet: Subnet
    gateway: Address | None = None
    span: Span | None = None
    """The pods' own addresses, where they are known."""

    @property
    def version(self) -> int:
        return self.subnet.version

    @property
    def hosts(self) -> Subnet:
        """Where its hosts are; everywhere where the subnet has none, which is refused by itself."""
        return self.subnet if self.is_known else EVERYWHERE[self.version]

    @property
    def is_known(self) -> bool:
        """Whether the subnet could be read and has hosts, so that addresses can be held against it."""
        return known(self.subnet) and self.subnet.num_addresses >= 4

    def key(self, name: str) -> str:
        return key_of(name, self.version)


def key_of(name: str, version: int) -> str:
    return f"{name}6" if version == 6 else name


def side_of(sides: Iterable[Side], version: int) -> Side | None:
    return next((side for side in sides if side.version == version), None)


def read_address(section: Section, name: str, version: int) -> Address | None:
    """The address that a section has for a family, by the key of that."""
    return section.address(key_of(name, version), version, key_of(name, 10 - version))


def refuse_others(section: Section, names: Sequence[str], versions: Iterable[int]) -> None:
    """Keys of a family that the network has no subnet of."""
    for version in (version for version in FAMILIES if version not in versions):
        subnet = key_of("subnet", version)
        for key in (key_of(name, version) for name in names):
            if section.has(key):
                section.fault(key, f"the network has no `{subnet}`", f"give `{subnet}` or drop it")
            section.asks(key)


def check_address(section: Section, key: str, address: Address, side: Side) -> bool:
    """Whether it is a host of the subnet, and none of the pods' own; else that is a fault."""
    if side.is_known and not is_host(address, side.subnet):
        section.fault(key, f"{address} is no host address of {side.subnet}", "take one from the subnet")
    elif side.span and within(address, side.span):
        section.fault(key, f"{address} lies in the pods' range {side.span[0]} to {side.span[1]}", "move either")
    else:
        return True
    return False
