"""Routes that a pod gets by a network."""

from dataclasses import dataclass

from components.settings.blocks import Address, Span, Subnet
from components.settings.faults import NOWHERE, Section


@dataclass(frozen=True, kw_only=True)
class Route:
    dst: Subnet
    gw: Address | None = None
    """None: by the network's gateway; where it has none, `dst` is reached on the link itself."""

    def config(self) -> dict[str, str]:
        return {"dst": str(self.dst)} | ({"gw": str(self.gw)} if self.gw else {})


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
