"""Routes that a pod gets by a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from components.settings.blocks import Address, Span, Subnet
from components.settings.faults import NOWHERE, Section


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


BY_DEFAULT = Route(dst=Subnet("0.0.0.0/0"))


def read_routes(section: Section, subnet: Subnet, gateway: Address | None, span: Span | None) -> tuple[Route, ...]:
    """The `routes` of a section. `span`: the pods' own addresses, of which none can be a gateway."""
    routes: list[Route] = []
    for item in section.sections("routes"):
        route = Route(dst=item.subnet("dst"), gw=item.address("gw"))
        item.closed()
        if route.gw and not subnet.network_address < route.gw < subnet.broadcast_address:
            item.fault("gw", f"{route.gw} is no host address of {subnet}", "take one from the subnet")
        elif route.gw and span and span[0] <= route.gw <= span[1]:
            item.fault("gw", f"{route.gw} lies in the pods' range {span[0]} to {span[1]}", "move either")
        if route.dst is not NOWHERE and route.dst in [other.dst for other in routes]:
            item.fault("dst", f"{route.dst} is there twice", "drop one: the second would be ignored")
        routes.append(route)
    if gateway is None and any(route.dst.prefixlen == 0 and route.gw is None for route in routes):
        section.fault("routes", "a default route, but the network has no gateway", "give `gateway` or drop it")
    return tuple(routes)


def read_default_route(
    section: Section, listed: Mapping[str, tuple[Route, ...]], gateway: Address | None
) -> DefaultRoute:
    """The `defaultRoute` of a network. `listed`: its routes, by the keys that they are said by."""
    way = section.choice("defaultRoute", DefaultRoute, DefaultRoute.SOURCE)
    if way is not DefaultRoute.LITERAL and not section.faulty_at("defaultRoute"):
        for key in (key for key, routes in listed.items() if has_default(routes)):
            remedy = "drop it, or say `defaultRoute: literal` (net1, source and none need no route)"
            section.fault(key, f"a default route, and `defaultRoute` is {way}", remedy)
    bare = gateway is None and not section.faulty_at("gateway")
    if bare and (
        way is DefaultRoute.NET1 or (way is DefaultRoute.LITERAL and not any(map(has_default, listed.values())))
    ):
        section.fault("defaultRoute", f"{way}, but the network has no gateway", "give `gateway` or take source or none")
    return way


def has_default(routes: tuple[Route, ...]) -> bool:
    return any(route.dst.prefixlen == 0 for route in routes)
