"""Routes that a pod gets by a network."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from components.settings.blocks import EVERYWHERE, Address, Subnet, is_host, within
from components.settings.families import Side, key_of, side_of
from components.settings.faults import Section, known


class DefaultRoute(StrEnum):
    """By which way a pod's packets leave for what is on no link of it."""

    SOURCE = "source"
    """By the network's gateway what is bound to the interface's address, all else by eth0."""
    NET1 = "net1"
    """By the network's gateway; to pods, services and nodes by eth0."""
    LITERAL = "literal"
    """By two default routes of one metric, the network's and eth0's: the seed's NAD."""
    NONE = "none"
    """By eth0."""


@dataclass(frozen=True, kw_only=True)
class Route:
    dst: Subnet
    gw: Address | None = None
    """None: by the network's gateway; where it has none, `dst` is reached on the link itself."""

    def config(self) -> dict[str, str]:
        return {"dst": str(self.dst)} | ({"gw": str(self.gw)} if self.gw else {})


def read_routes(section: Section, sides: Sequence[Side]) -> tuple[Route, ...]:
    """The `routes` of a section, of whichever families the network has."""
    routes: list[Route] = []
    for item in section.sections("routes"):
        route = Route(dst=item.subnet("dst", None), gw=item.address("gw", None))
        item.closed()
        if known(route.dst):
            _check_dst(item, route, sides, routes)
        if route.gw:
            _check_gw(item, route.gw, route.dst, sides)
        routes.append(route)
    for side in sides:
        if side.gateway is None and any(route.gw is None for route in defaults(routes, side.version)):
            gateway = side.key("gateway")
            problem = f"a default route, but the network has no {gateway}"
            section.fault("routes", problem, f"give `{gateway}` or drop it")
    return tuple(routes)


def _check_dst(item: Section, route: Route, sides: Sequence[Side], before: Sequence[Route]) -> None:
    if side_of(sides, route.dst.version) is None:
        subnet = key_of("subnet", route.dst.version)
        item.fault("dst", f"{route.dst}, and the network has no `{subnet}`", f"give `{subnet}` or drop the route")
    elif route.dst in [other.dst for other in before]:
        item.fault("dst", f"{route.dst} is there twice", "drop one: the second would be ignored")


def _check_gw(item: Section, gw: Address, dst: Subnet, sides: Sequence[Side]) -> None:
    if known(dst) and gw.version != dst.version:
        item.fault("gw", f"{gw} is IPv{gw.version}", f"give an IPv{dst.version} address, as `dst` is one")
    side = side_of(sides, gw.version)
    if side is None or item.faulty_at("gw"):
        return
    if not is_host(gw, side.hosts):
        item.fault("gw", f"{gw} is no host address of {side.hosts}", "take one from the subnet")
    elif side.span and within(gw, side.span):
        item.fault("gw", f"{gw} lies in the pods' range {side.span[0]} to {side.span[1]}", "move either")


def read_default_route(
    section: Section, listed: Mapping[str, tuple[Route, ...]], sides: Sequence[Side]
) -> DefaultRoute:
    """The `defaultRoute` of a network. `listed`: its routes, by the keys that they are said by."""
    way = section.choice("defaultRoute", DefaultRoute, DefaultRoute.SOURCE)
    if way is not DefaultRoute.LITERAL and not section.faulty_at("defaultRoute"):
        for key in (key for key, routes in listed.items() if defaults(routes)):
            remedy = "drop it, or say `defaultRoute: literal` (net1, source and none need no route)"
            section.fault(key, f"a default route, and `defaultRoute` is {way}", remedy)
    bare = not any(side.gateway or section.faulty_at(side.key("gateway")) for side in sides)
    if bare and (way is DefaultRoute.NET1 or (way is DefaultRoute.LITERAL and not any(map(defaults, listed.values())))):
        keys = " or ".join(f"`{side.key('gateway')}`" for side in sides)
        remedy = f"give {keys} or take source or none"
        section.fault("defaultRoute", f"{way}, but the network has no gateway", remedy)
    return way


def defaults(routes: Iterable[Route], version: int | None = None) -> list[Route]:
    """The default routes among them, of one family or of both."""
    return [route for route in routes if route.dst.prefixlen == 0 and version in (None, route.dst.version)]


def by_default(sides: Iterable[Side], routes: Sequence[Route]) -> tuple[Route, ...]:
    """The default route by each gateway whose family has none among the `routes`."""
    return tuple(
        Route(dst=EVERYWHERE[side.version])
        for side in sides
        if side.gateway is not None and not defaults(routes, side.version)
    )
