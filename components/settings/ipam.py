"""How net1 gets its address: one class per IPAM type and the table of all of them.

A new type is one class and one row in `IPAM_TYPES`: its keys, its checks and its section of the CNI config.
"""

# ruff: noqa: ARG002 (every type takes the same arguments; not each needs them all)

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from components.settings.blocks import Address, Span, hosts, is_host, moved, size, widest_end, widest_range, within
from components.settings.families import Side, read_address, refuse_others, side_of
from components.settings.faults import Section
from components.settings.routes import Route, read_routes


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
    fixes_addresses: ClassVar[bool]
    """Whether a pod's attachment can have an address of its own choice."""
    needs_addresses: ClassVar[bool]
    """Whether every attachment has to: the plugin then gets it as the capability `ips`, and knows no other."""

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> "Ipam":
        """Read and check `keys` of one `ipam` section; faults are noted in it. `sides`: the network's, IPv4 first."""

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
    fixes_addresses: ClassVar[bool] = True
    needs_addresses: ClassVar[bool] = False

    spans: tuple[Span, ...]
    """In each family that the network has."""
    routes: tuple[Route, ...]

    @classmethod
    def read(cls, section: Section, sides: Sequence[Side]) -> "HostLocal":
        read = tuple(_range(section, side) for side in sides)
        refuse_others(section, ["rangeStart", "rangeEnd"], [side.version for side in sides])
        readable = not section.faulty
        sides = [replace(side, span=span if readable else None) for side, span in zip(sides, read, strict=True)]
        routes = read_routes(section, sides)
        for side, span in zip(sides, read, strict=True):
            _check_range(section, side, span, readable=readable)
        return cls(spans=read, routes=routes)

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


def _range(section: Section, side: Side) -> Span:
    """What pods get of one family, as far as it could be read."""
    start = read_address(section, "rangeStart", side.version) or widest_range(side.hosts, side.gateway)[0]
    end = read_address(section, "rangeEnd", side.version) or widest_end(start, side.hosts, side.gateway)
    return start, end


def _check_range(section: Section, side: Side, span: Span, *, readable: bool) -> None:
    (start, end), gateway = span, side.gateway
    start_key, end_key = side.key("rangeStart"), side.key("rangeEnd")
    sound = side.hosts is side.subnet
    if sound:
        first, last = hosts(side.subnet)
        for name, address in ((start_key, start), (end_key, end)):
            if not is_host(address, side.subnet):
                section.fault(name, f"{address} is no host address of {side.subnet}", f"take one of {first} to {last}")
    if readable and int(start) > int(end):
        section.fault(start_key, f"{start} comes after {end_key} {end}", "swap the two")
    if readable and sound and gateway is not None and within(gateway, span):
        section.fault(start_key, f"the gateway {gateway} lies in the range {start} to {end}", "move either")


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
    def read(cls, section: Section, sides: Sequence[Side]) -> "Static":
        return cls(routes=read_routes(section, sides))

    def config(
        self, sides: Sequence[Side], routes: Sequence[Route] = (), part: WorkerRange | None = None
    ) -> dict[str, Any]:
        by = [(route, side_of(sides, route.dst.version)) for route in (*self.routes, *routes)]
        named = [replace(route, gw=route.gw or (side.gateway if side else None)) for route, side in by]
        return {"type": "static", "routes": [route.config() for route in named]}

    def capacity(self) -> None:
        return None

    def occupies(self) -> tuple[Span, ...]:
        return ()

    def ranges(self, workers: Sequence[str]) -> tuple[WorkerRange, ...]:
        return ()


IPAM_TYPES: dict[str, type[Ipam]] = {"host-local": HostLocal, "static": Static}


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
