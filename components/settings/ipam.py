"""How net1 gets its address: one class per IPAM type and the table of all of them.

A new type is one class and one row in `IPAM_TYPES`: its keys, its checks and its section of the CNI config.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any, Protocol

from components.settings.faults import Section

Address = ipaddress.IPv4Address
Subnet = ipaddress.IPv4Network

EVERYWHERE = Subnet("0.0.0.0/0")


class Ipam(Protocol):
    """What the rest of the lab asks of an IPAM type."""

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "Ipam":
        """Read and check the keys of one `ipam` section but its `type`; faults are noted in it."""

    def config(self, subnet: Subnet, gateway: Address | None) -> dict[str, Any]:
        """The `ipam` section of the CNI config."""

    def capacity(self) -> int:
        """How many attachments can have an address at once."""

    def occupies(self) -> tuple[Address, Address] | None:
        """First and last address that pods may get, or None where that is not the lab's to say."""


@dataclass(frozen=True, kw_only=True)
class HostLocal:
    """Addresses from a range, leased on each node by itself.

    Source: the CNI plugins' host-local. It ignores keys that it does not know (`rangeStop`) and then serves
    the whole subnet, which is why unknown keys are faults here.
    """

    range_start: Address
    range_end: Address
    routes: tuple[Subnet, ...]

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "HostLocal":
        # A subnet without host addresses is refused elsewhere: no second fault about what lies in it.
        hosts = subnet if subnet.num_addresses >= 4 else EVERYWHERE
        first, last = hosts[1], hosts[-2]
        start = section.address("rangeStart") or first
        end = section.address("rangeEnd") or last
        readable = not section.faulty
        routes = tuple(_route(route) for route in section.sections("routes"))
        section.closed()
        if hosts is subnet:
            for name, address in (("rangeStart", start), ("rangeEnd", end)):
                if not first <= address <= last:
                    section.fault(name, f"{address} is no host address of {subnet}", f"take one of {first} to {last}")
        if readable and start > end:
            section.fault("rangeStart", f"{start} comes after rangeEnd {end}", "swap the two")
        if readable and hosts is subnet and gateway is not None and start <= gateway <= end:
            section.fault("rangeStart", f"the gateway {gateway} lies in the range {start} to {end}", "move either")
        if gateway is None and any(route.prefixlen == 0 for route in routes):
            section.fault("routes", "a default route, but the network has no gateway", "give `gateway` or drop it")
        return cls(range_start=start, range_end=end, routes=routes)

    def config(self, subnet: Subnet, gateway: Address | None) -> dict[str, Any]:
        config: dict[str, Any] = {
            "type": "host-local",
            "subnet": str(subnet),
            "rangeStart": str(self.range_start),
            "rangeEnd": str(self.range_end),
            "routes": [{"dst": str(route)} for route in self.routes],
        }
        return config if gateway is None else config | {"gateway": str(gateway)}

    def capacity(self) -> int:
        return int(self.range_end) - int(self.range_start) + 1

    def occupies(self) -> tuple[Address, Address]:
        return self.range_start, self.range_end


IPAM_TYPES: dict[str, type[Ipam]] = {"host-local": HostLocal}


def read_ipam(section: Section, subnet: Subnet, gateway: Address | None) -> Ipam:
    """The IPAM that `section` names (host-local where it names none)."""
    given = section.text("type", "host-local")
    if given and given not in IPAM_TYPES:
        section.fault("type", f"{given!r} is not known", f"known are: {', '.join(IPAM_TYPES)}")
    return IPAM_TYPES.get(given, HostLocal).read(section, subnet, gateway)


def _route(section: Section) -> Subnet:
    route = section.subnet("dst")
    section.closed()
    return route
