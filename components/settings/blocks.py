"""Which part of a network's subnet is whose."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address
Subnet = ipaddress.IPv4Network
Span = tuple[Address, Address]
"""The first and the last of contiguous addresses."""


def node_range(subnet: Subnet, occupied: Iterable[Span]) -> Subnet | None:
    """The highest small block of `subnet` that touches none of the `occupied` spans, for the nodes.

    At most 256 addresses, at most a quarter of the subnet, never with the subnet's first or last address.
    None where nothing is left.
    """
    if subnet.prefixlen > 28:
        return None
    prefix = max(24, subnet.prefixlen + 2)
    size = 2 ** (32 - prefix)
    spans = [*occupied, (subnet.network_address,) * 2, (subnet.broadcast_address,) * 2]
    start = int(subnet.broadcast_address) + 1 - size
    while start >= int(subnet.network_address):
        touched = [int(first) for first, last in spans if int(first) < start + size and start <= int(last)]
        if not touched:
            return Subnet((start, prefix))
        # The block below the span: a range of millions of addresses is passed in one step.
        start = min(touched) // size * size - size
    return None


def free_host(subnet: Subnet, occupied: Iterable[Span]) -> Address | None:
    """The highest host of `subnet` that lies in none of the `occupied` spans; None where there is none."""
    host = int(subnet.broadcast_address) - 1
    spans = [(int(first), int(last)) for first, last in occupied]
    while host > int(subnet.network_address):
        touched = [first for first, last in spans if first <= host <= last]
        if not touched:
            return Address(host)
        host = min(touched) - 1
    return None


def widest_range(subnet: Subnet, gateway: Address | None) -> Span:
    """What pods may have where nobody says: all of `subnet` but its gateway, where that is the first or the last host,
    and what lies from the nodes' block on."""
    first, last = subnet[1], subnet[-2]
    block = node_range(subnet, [(gateway, gateway)] if gateway else [])
    if block is not None and block.network_address - 1 > first:
        last = block.network_address - 1
    return first + 1 if gateway == first else first, last - 1 if gateway == last else last
