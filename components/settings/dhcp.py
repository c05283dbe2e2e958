"""The lab's own DHCP server on a network: what can be said of it, and which address it has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from components.settings.blocks import Address, Interface, Span, Subnet, free_host, interface, is_host, within
from components.settings.families import Side
from components.settings.faults import Section, shown

LEASE_TIME = re.compile(r"([1-9][0-9]{0,8})([smhdw]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LEAST_LEASE, MOST_LEASE = "2m", "52w"
"""With less, dnsmasq takes 2 minutes and says nothing."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """A container that hands out leases on the network."""

    address: Interface
    """With the prefix length of the network's subnet."""
    lease_time: str
    """As dnsmasq takes it, such as `1h`."""


@dataclass(frozen=True, kw_only=True)
class AskedServer:
    """What the `ipam` section says of the server, before it is known which addresses are whose."""

    address: Address | None
    """None: the lab chooses one."""
    lease_time: str

    def check(
        self,
        ipam: Section,
        side: Side,
        taken: Iterable[tuple[Address | None, str]],
        parent: str | None,
    ) -> None:
        """`taken`: the addresses that have an owner already, with whose they are."""
        if self.address is None:
            if parent and not ipam.faulty_at("server"):
                problem = f"{parent} may have others on it, and a DHCP server of their own"
                remedy = "say `server: false` where it has, else give the lab's an address that is free there"
                ipam.fault("server", problem, remedy)
            return
        owner = next((owner for address, owner in taken if address == self.address), None)
        if not is_host(self.address, side.subnet):
            problem = f"{self.address} is no host address of {side.subnet}"
            ipam.fault("server.address", problem, "take one from the subnet")
        elif side.span and within(self.address, side.span):
            problem = f"{self.address} lies in the range {side.span[0]} to {side.span[1]} that it hands out"
            ipam.fault("server.address", problem, "move either")
        elif owner:
            ipam.fault("server.address", f"{self.address} is {owner}", "take another one")

    def placed(self, ipam: Section, subnet: Subnet, occupied: Iterable[Span]) -> ServerSettings | None:
        """With its address: that of config, else the highest host that is not `occupied`."""
        address = self.address or free_host(subnet, occupied)
        if address is None:
            problem = f"{subnet} has no address left for it"
            ipam.fault("server", problem, "shrink the range or take a larger subnet")
            return None
        return ServerSettings(address=interface(address, subnet.prefixlen), lease_time=self.lease_time)


def server_name(cluster_name: str, network_name: str) -> str:
    return f"{cluster_name}-dhcp-{network_name}"


def read_server(section: Section) -> AskedServer | None:
    """What an `ipam` section says of the lab's own server; None where the network has another."""
    lease_time = _lease_time(section)
    server = section.switch("server", True, {4: "address"})
    if server is None:
        return None
    address = server.address("address")
    server.closed()
    return AskedServer(address=address, lease_time=lease_time)


def _lease_time(section: Section) -> str:
    given = section.text("leaseTime", "1h", such_as="1h")
    if not given:
        return given
    found = LEASE_TIME.fullmatch(given)
    if found is None:
        remedy = "write a number and s, m, h, d or w, such as 10m"
        section.fault("leaseTime", f"{shown(given)} is no length of time", remedy)
    elif not seconds(LEAST_LEASE) <= seconds(given) <= seconds(MOST_LEASE):
        section.fault("leaseTime", f"{given} is out of bounds", f"give {LEAST_LEASE} to {MOST_LEASE}")
    return given


def seconds(time: str) -> int:
    number, unit = LEASE_TIME.fullmatch(time).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]
