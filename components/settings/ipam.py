"""How net1 gets its address: one class per IPAM type and the table of all of them.

A new type is one class and one row in `IPAM_TYPES`: its keys, its checks and its section of the CNI config.
"""

# ruff: noqa: ARG002 (every type takes the same arguments; not each needs them all)

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

from components.settings.blocks import (
    Address,
    Span,
    Subnet,
    hosts,
    is_host,
    moved,
    size,
    widest_end,
    widest_range,
    within,
)
from components.settings.dhcp import AskedServer, read_server
from components.settings.families import FAMILIES, Side, read_address, refuse_others, side_of
from components.settings.faults import Section
from components.settings.routes import Route, defaults, read_routes

CLASSLESS_ROUTES = "121"
"""The DHCP option, which the dhcp plugin has no name for."""


@dataclass(frozen=True, kw_only=True)
class WorkerRange:
    """The part of a network's range that one worker hands out, both ends included."""

    worker: str
    start: Address
    end: Address
    six: Span | None = None
    """Of IPv6, where the range above is of IPv4."""

    @property
    def spans(self) -> tuple[Span, ...]:
        return ((self.start, self.end), self.six) if self.six else ((self.start, self.end),)

    @property
    def size(self) -> int:
        """How many attachments can have an address of each family."""
        return min(map(size, self.spans))

    def __contains__(self, address: Address) -> bool:
        return any(within(address, span) for span in self.spans)

    def __str__(self) -> str:
        return " and ".join(f"{start} to {end}" for start, end in self.spans)


class Ipam(Protocol):
    """What the rest of the lab asks of an IPAM type."""

    keys: ClassVar[tuple[str, ...]]
    """The keys of its section besides `type`."""
    families: ClassVar[tuple[int, ...]]
    """Those that it has addresses of."""
    fixes_addresses: ClassVar[bool]
    """Whether a pod's attachment can have an address of its own choice."""
    needs_addresses: ClassVar[bool]
    """Whether every attachment has to: the plugin then gets it as the capability `ips`, and knows no other."""
    by_server: ClassVar[bool]
    """Whether a DHCP server on the network has the say, in the routes, too, by the plugin's daemon in each worker."""
    in_cluster: ClassVar[bool]
    """Whether the cluster keeps its leases, by whereabouts' daemon and kinds."""

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> "Ipam":
        """Read and check `keys` of one `ipam` section; faults are noted in it. `sides`: the network's, IPv4 first."""

    @property
    def server(self) -> AskedServer | None:
        """A DHCP server of the lab's own that it asks for."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes that are said in the `ipam` section."""

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        """The `ipam` section of the CNI config, with the network's `routes` too; that of one worker with its `part`."""

    def capacity(self) -> int | None:
        """How many attachments can have an address at once; None where that is not the lab's to say."""

    def occupies(self) -> tuple[Span, ...]:
        """First and last address that pods may get, in each family; empty where that is not the lab's to say."""

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        """Each worker's own part, in their order; empty where all workers share what there is.

        Raises ValueError where there is not an address for each.
        """


@dataclass(frozen=True, kw_only=True)
class HostLocal:
    """Addresses from a range, leased on each node by itself: each worker has to have a part of its own.

    Source: the CNI plugins' host-local. It ignores keys that it does not know (`rangeStop`) and then serves
    the whole subnet, which is why unknown keys are faults here. A fixed address is one of its
    range that nobody has yet.
    """

    keys: ClassVar[tuple[str, ...]] = ("rangeStart", "rangeEnd", "rangeStart6", "rangeEnd6", "routes")
    families: ClassVar[tuple[int, ...]] = FAMILIES
    fixes_addresses: ClassVar[bool] = True
    needs_addresses: ClassVar[bool] = False
    by_server: ClassVar[bool] = False
    in_cluster: ClassVar[bool] = False
    server: ClassVar[None] = None

    spans: tuple[Span, ...]
    """In each family that the network has."""
    routes: tuple[Route, ...]

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> Self:
        spans = tuple(read_range(section, side, cls.furthest(side.hosts)) for side in sides)
        refuse_others(section, ["rangeStart", "rangeEnd"], [side.version for side in sides])
        if not section.faulty:
            sides = [replace(side, span=span) for side, span in zip(sides, spans, strict=True)]
        return cls(spans=spans, routes=read_routes(section, sides))

    @classmethod
    def furthest(cls, subnet: Subnet) -> Address:
        """The last address of a subnet that it can hand out."""
        return hosts(subnet)[1]

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        ranges = [
            {"subnet": str(side.subnet), "rangeStart": str(span[0]), "rangeEnd": str(span[1])}
            for side, span in zip(sides, part.spans if part else self.spans, strict=True)
        ]
        gateways = [{"gateway": str(side.gateway)} if side.gateway else {} for side in sides]
        by = [route.config() for route in (*self.routes, *routes)]
        if len(sides) == 1:
            return {"type": "host-local", **ranges[0], "routes": by, **gateways[0]}
        sets = [[each | gateway] for each, gateway in zip(ranges, gateways, strict=True)]
        return {"type": "host-local", "ranges": sets, "routes": by}

    def capacity(self) -> int:
        return min(map(size, self.spans))

    def occupies(self) -> tuple[Span, ...]:
        return self.spans

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        (start, end), *six = self.spans
        parts = zip(workers, split(start, end, len(workers)), strict=True)
        further = [split(*span, len(workers)) for span in six]
        return tuple(
            WorkerRange(worker=worker, start=first, end=last, six=further[0][i] if further else None)
            for i, (worker, (first, last)) in enumerate(parts)
        )


@dataclass(frozen=True, kw_only=True)
class Static:
    """Each attachment has the address that its pod says, so that one NAD serves many pods.

    Source: the CNI plugins' static. Addresses that come with a pod have no gateway there, and a route without one
    would lead to the link itself: each route names its gateway.
    """

    keys: ClassVar[tuple[str, ...]] = ("routes",)
    families: ClassVar[tuple[int, ...]] = FAMILIES
    fixes_addresses: ClassVar[bool] = True
    needs_addresses: ClassVar[bool] = True
    by_server: ClassVar[bool] = False
    in_cluster: ClassVar[bool] = False
    server: ClassVar[None] = None

    routes: tuple[Route, ...]

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> "Static":
        return cls(routes=read_routes(section, sides))

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        by = by_gateways((*self.routes, *routes), sides)
        return {"type": "static", "routes": [route.config() for route in by]}

    def capacity(self) -> None:
        return None

    def occupies(self) -> tuple[Span, ...]:
        return ()

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Whereabouts(HostLocal):
    """Addresses from a range as host-local's, but leased in the cluster: all workers share it as one.

    Source: whereabouts v0.8.0. Where its kubeconfig is, it reads in /etc/cni/net.d/whereabouts.d/whereabouts.conf. An
    address that a pod asks for it adds to the one of the range, unreserved: it fixes none. Leases are kept by the
    range alone, without a `network_name`: no two networks of a lab overlap, and its reconciler would take every
    reservation with such a name for an orphan. It has one `gateway` for the addresses of both families: with both,
    each route names its own. It leaves out the last address of IPv6, too, and its leases are numbers of 64 bits: an
    address further on in the subnet would be free for it whoever has it.
    """

    fixes_addresses: ClassVar[bool] = False
    in_cluster: ClassVar[bool] = True

    @classmethod
    def furthest(cls, subnet: Subnet) -> Address:
        return subnet[min(subnet.num_addresses - 2, 2**64 - 1)]

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        ranges = [
            {"range": str(side.subnet), "range_start": str(span[0]), "range_end": str(span[1])}
            for side, span in zip(sides, self.spans, strict=True)
        ]
        by = (*self.routes, *routes) if len(sides) == 1 else by_gateways((*self.routes, *routes), sides)
        gateway = sides[0].gateway if len(sides) == 1 else None
        return {
            "type": "whereabouts",
            **(ranges[0] if len(sides) == 1 else {"ipRanges": ranges}),
            "routes": [route.config() for route in by],
            "log_level": "error",  # else each step goes to Multus's log
            **({"gateway": str(gateway)} if gateway else {}),
        }

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Dhcp:
    """Addresses leased by a DHCP server on the network, the lab's own or another's; all workers share its range.

    Source: the CNI plugins' dhcp. It speaks DHCPv4 alone. It asks the server for these options alone, and has no
    routes but the server's: by option 121 before option 3, a default route (RFC 3442).
    """

    keys: ClassVar[tuple[str, ...]] = ("server", "rangeStart", "rangeEnd", "leaseTime")
    families: ClassVar[tuple[int, ...]] = (4,)
    fixes_addresses: ClassVar[bool] = False
    needs_addresses: ClassVar[bool] = False
    by_server: ClassVar[bool] = True
    in_cluster: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = ()

    server: AskedServer | None
    """The lab's own; None: the network has another."""
    span: Span | None
    """What the lab's own hands out."""

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> "Dhcp":
        server = read_server(section)
        if server is None:
            for key in ("rangeStart", "rangeEnd", "leaseTime"):
                if section.has(key):
                    remedy = "drop it: the network's own server has it"
                    section.fault(key, "the lab has no say in it with `server: false`", remedy)
        side = side_of(sides, 4)
        if side is None:
            refuse_others(section, ["rangeStart", "rangeEnd"], [6])
        span = read_range(section, side, hosts(side.hosts)[1]) if side else None
        return cls(server=server, span=span if server else None)

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        options = ["subnet-mask", CLASSLESS_ROUTES, *(["routers"] if defaults(routes) else [])]
        return {"type": "dhcp", "request": [{"skipDefault": True}, *({"option": option} for option in options)]}

    def capacity(self) -> int | None:
        return size(self.span) if self.span else None

    def occupies(self) -> tuple[Span, ...]:
        return (self.span,) if self.span else ()

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


IPAM_TYPES: dict[str, type[Ipam]] = {
    "host-local": HostLocal,
    "static": Static,
    "whereabouts": Whereabouts,
    "dhcp": Dhcp,
}


IPAM_KEYS = frozenset(("type", *(key for type_ in IPAM_TYPES.values() for key in type_.keys)))


def by_gateways(routes: Sequence[Route], sides: Sequence[Side]) -> list[Route]:
    """The routes, each with its gateway: of those without one that of their family, where it has one."""
    gateways = {side.version: side.gateway for side in sides}
    return [replace(route, gw=route.gw or gateways[route.dst.version]) for route in routes]


def read_range(section: Section, side: Side, furthest: Address) -> Span:
    """`rangeStart` and `rangeEnd` of one family: the pods' part of the subnet. `furthest`: the last that can be."""
    start_key, end_key = side.key("rangeStart"), side.key("rangeEnd")
    start = read_address(section, "rangeStart", side.version) or widest_range(side.hosts, side.gateway)[0]
    end = read_address(section, "rangeEnd", side.version) or widest_end(start, side.hosts, side.gateway)
    sound = side.hosts is side.subnet
    if sound:
        if not section.has(end_key) and int(start) <= int(furthest) < int(end):
            end = moved(furthest, -1) if furthest == side.gateway else furthest
        remedy = f"take one of {hosts(side.subnet)[0]} to {furthest}"
        for name, address in ((start_key, start), (end_key, end)):
            if not is_host(address, side.subnet):
                section.fault(name, f"{address} is no host address of {side.subnet}", remedy)
            elif section.has(name) and int(address) > int(furthest):
                section.fault(name, f"{address} is further on in {side.subnet} than the type counts", remedy)
    readable = not (section.faulty_at(start_key) or section.faulty_at(end_key))
    if readable and int(start) > int(end) and section.has(start_key):
        section.fault(start_key, f"{start} comes after {end_key} {end}", "swap the two")
    elif readable and int(start) > int(end):
        earlier = int(end) > int(hosts(side.hosts)[0])
        remedy = f"take a later one, or give `{start_key}` too" if earlier else "take a later one"
        section.fault(end_key, f"{end} comes before {start}, where the range begins by itself", remedy)
    elif readable and sound and side.gateway is not None and within(side.gateway, (start, end)):
        section.fault(start_key, f"the gateway {side.gateway} lies in the range {start} to {end}", "move either")
    return start, end


def read_ipam(section: Section, sides: Sequence[Side]) -> Ipam:
    """The IPAM that `section` names (host-local where it names none)."""
    given = section.text("type", "host-local")
    if given and given not in IPAM_TYPES:
        section.fault("type", f"{given!r} is not known", f"known are: {', '.join(IPAM_TYPES)}")
    ipam = IPAM_TYPES.get(given, HostLocal).read(section, sides)
    if given in IPAM_TYPES:  # Which keys another has, nobody knows.
        _check_keys(section, given)
    return ipam


def _check_keys(section: Section, name: str) -> None:
    """A key of another type is refused by that type's name."""
    others: dict[str, list[str]] = {}
    for other, type_ in IPAM_TYPES.items():
        for key in type_.keys:
            if key not in IPAM_TYPES[name].keys and section.has(key):
                others.setdefault(key, []).append(other)
    for key, types in others.items():
        section.fault(key, f"{name} has no such key", f"`{key}` is a key of {' and '.join(types)}")
    section.closed(told=others)


def split(start: Address, end: Address, parts: int) -> tuple[Span, ...]:
    """`start` to `end` in so many contiguous parts, in order; their sizes differ by one address at most.

    Raises ValueError where there are fewer addresses than parts.
    """
    count = size((start, end))
    if parts > count:
        raise ValueError(f"{start} to {end} has {count} addresses, too few for {parts} parts")
    bounds = [count * i // parts for i in range(parts + 1)] if parts else []
    return tuple((moved(start, first), moved(start, after - 1)) for first, after in itertools.pairwise(bounds))
