"""How net1 gets its address: one class per IPAM type and the table of all of them.

A new type is one class and one row in `IPAM_TYPES`: its keys, its checks and its section of the CNI config.
"""

# ruff: noqa: ARG002 (every type takes the same arguments; not each needs them all)

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from components.settings.blocks import Address, Span, Subnet, widest_range
from components.settings.dhcp import AskedServer, read_server
from components.settings.faults import Section
from components.settings.routes import Route, has_default, read_routes

EVERYWHERE = Subnet("0.0.0.0/0")

CLASSLESS_ROUTES = "121"
"""The DHCP option, which the dhcp plugin has no name for."""


@dataclass(frozen=True, kw_only=True)
class WorkerRange:
    """The part of a network's range that one worker hands out, both ends included."""

    worker: str
    start: Address
    end: Address

    def __contains__(self, address: Address) -> bool:
        return self.start <= address <= self.end

    def __len__(self) -> int:
        return int(self.end) - int(self.start) + 1

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


class Ipam(Protocol):
    """What the rest of the lab asks of an IPAM type."""

    keys: ClassVar[tuple[str, ...]]
    """The keys of its section besides `type`."""
    fixes_addresses: ClassVar[bool]
    """Whether a pod's attachment can have an address of its own choice."""
    needs_addresses: ClassVar[bool]
    """Whether every attachment has to: the plugin then gets it as the capability `ips`, and knows no other."""

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "Ipam":
        """Read and check `keys` of one `ipam` section; faults are noted in it."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes that are said in the `ipam` section."""

    def config(
        self, subnet: Subnet, gateway: Address | None, routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        """The `ipam` section of the CNI config, with the network's `routes` too; that of one worker with its `part`."""

    def capacity(self) -> int | None:
        """How many attachments can have an address at once; None where that is not the lab's to say."""

    def occupies(self) -> Span | None:
        """First and last address that pods may get, or None where that is not the lab's to say."""

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

    keys: ClassVar[tuple[str, ...]] = ("rangeStart", "rangeEnd", "routes")
    fixes_addresses: ClassVar[bool] = True
    needs_addresses: ClassVar[bool] = False

    range_start: Address
    range_end: Address
    routes: tuple[Route, ...]

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "HostLocal":
        start, end = read_range(section, subnet, gateway)
        span = None if section.faulty else (start, end)
        return cls(range_start=start, range_end=end, routes=read_routes(section, hosts_of(subnet), gateway, span))

    def config(
        self, subnet: Subnet, gateway: Address | None, routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        config: dict[str, Any] = {
            "type": "host-local",
            "subnet": str(subnet),
            "rangeStart": str(part.start if part else self.range_start),
            "rangeEnd": str(part.end if part else self.range_end),
            "routes": [route.config() for route in (*self.routes, *routes)],
        }
        return config if gateway is None else config | {"gateway": str(gateway)}

    def capacity(self) -> int:
        return int(self.range_end) - int(self.range_start) + 1

    def occupies(self) -> Span:
        return self.range_start, self.range_end

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        spans = split(self.range_start, self.range_end, len(workers))
        return tuple(
            WorkerRange(worker=worker, start=start, end=end)
            for worker, (start, end) in zip(workers, spans, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class Static:
    """Each attachment has the address that its pod says, so that one NAD serves many pods.

    Source: the CNI plugins' static. Addresses that come with a pod have no gateway there, and a route without one
    would lead to the link itself: each route names its gateway.
    """

    keys: ClassVar[tuple[str, ...]] = ("routes",)
    fixes_addresses: ClassVar[bool] = True
    needs_addresses: ClassVar[bool] = True

    routes: tuple[Route, ...]

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "Static":
        return cls(routes=read_routes(section, hosts_of(subnet), gateway, None))

    def config(
        self, subnet: Subnet, gateway: Address | None, routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        by = [replace(route, gw=route.gw or gateway) for route in (*self.routes, *routes)]
        return {"type": "static", "routes": [route.config() for route in by]}

    def capacity(self) -> None:
        return None

    def occupies(self) -> None:
        return None

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Whereabouts(HostLocal):
    """Addresses from a range as host-local's, but leased in the cluster: all workers share it as one.

    Source: whereabouts v0.8.0. Where its kubeconfig is, it reads in /etc/cni/net.d/whereabouts.d/whereabouts.conf. An
    address that a pod asks for it adds to the one of the range, unreserved: it fixes none. Leases are kept by the
    range alone, without a `network_name`: no two networks of a lab overlap, and its reconciler would take every
    reservation with such a name for an orphan.
    """

    fixes_addresses: ClassVar[bool] = False

    def config(
        self, subnet: Subnet, gateway: Address | None, routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        config: dict[str, Any] = {
            "type": "whereabouts",
            "range": str(subnet),
            "range_start": str(self.range_start),
            "range_end": str(self.range_end),
            "routes": [route.config() for route in (*self.routes, *routes)],
            "log_level": "error",  # else each step goes to Multus's log
        }
        return config if gateway is None else config | {"gateway": str(gateway)}

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Dhcp:
    """Addresses leased by a DHCP server on the network, the lab's own or another's; all workers share its range.

    Source: the CNI plugins' dhcp. It asks the server for these options alone, and has no routes but the server's:
    by option 121 before option 3, a default route (RFC 3442).
    """

    keys: ClassVar[tuple[str, ...]] = ("server", "rangeStart", "rangeEnd", "leaseTime")
    fixes_addresses: ClassVar[bool] = False
    needs_addresses: ClassVar[bool] = False
    routes: ClassVar[tuple[Route, ...]] = ()

    server: AskedServer | None
    """The lab's own; None: the network has another."""
    span: Span | None
    """What the lab's own hands out."""

    @classmethod
    def read(cls, section: Section, subnet: Subnet, gateway: Address | None) -> "Dhcp":
        server = read_server(section)
        if server is None:
            for key in ("rangeStart", "rangeEnd", "leaseTime"):
                if section.has(key):
                    remedy = "drop it: the network's own server has it"
                    section.fault(key, "the lab has no say in it with `server: false`", remedy)
        span = read_range(section, subnet, gateway)
        return cls(server=server, span=span if server else None)

    def config(
        self, subnet: Subnet, gateway: Address | None, routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        options = ["subnet-mask", CLASSLESS_ROUTES, *(["routers"] if has_default(tuple(routes)) else [])]
        return {"type": "dhcp", "request": [{"skipDefault": True}, *({"option": option} for option in options)]}

    def capacity(self) -> int | None:
        return int(self.span[1]) - int(self.span[0]) + 1 if self.span else None

    def occupies(self) -> Span | None:
        return self.span

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


IPAM_TYPES: dict[str, type[Ipam]] = {
    "host-local": HostLocal,
    "static": Static,
    "whereabouts": Whereabouts,
    "dhcp": Dhcp,
}


def hosts_of(subnet: Subnet) -> Subnet:
    """A subnet without host addresses is refused elsewhere: no second fault about what lies in it."""
    return subnet if subnet.num_addresses >= 4 else EVERYWHERE


def read_range(section: Section, subnet: Subnet, gateway: Address | None) -> Span:
    """`rangeStart` and `rangeEnd`: the pods' part of the subnet."""
    hosts = hosts_of(subnet)
    first, last = hosts[1], hosts[-2]
    widest = widest_range(hosts, gateway)
    start = section.address("rangeStart") or widest[0]
    end = section.address("rangeEnd") or (widest[1] if start <= widest[1] else last)
    readable = not section.faulty
    if hosts is subnet:
        for name, address in (("rangeStart", start), ("rangeEnd", end)):
            if not first <= address <= last:
                section.fault(name, f"{address} is no host address of {subnet}", f"take one of {first} to {last}")
    if readable and start > end:
        section.fault("rangeStart", f"{start} comes after rangeEnd {end}", "swap the two")
    if readable and hosts is subnet and gateway is not None and start <= gateway <= end:
        section.fault("rangeStart", f"the gateway {gateway} lies in the range {start} to {end}", "move either")
    return start, end


def read_ipam(section: Section, subnet: Subnet, gateway: Address | None) -> Ipam:
    """The IPAM that `section` names (host-local where it names none)."""
    given = section.text("type", "host-local")
    if given and given not in IPAM_TYPES:
        section.fault("type", f"{given!r} is not known", f"known are: {', '.join(IPAM_TYPES)}")
    ipam = IPAM_TYPES.get(given, HostLocal).read(section, subnet, gateway)
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
    size = int(end) - int(start) + 1
    if parts > size:
        raise ValueError(f"{start} to {end} has {size} addresses, too few for {parts} parts")
    bounds = [int(start) + size * i // parts for i in range(parts + 1)] if parts else []
    return tuple((Address(first), Address(after - 1)) for first, after in itertools.pairwise(bounds))
