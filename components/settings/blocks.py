"""Which part of a network's subnet is whose."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
Span = tuple[Address, Address]
"""The first and the last of contiguous addresses, of one family."""

EVERYWHERE: dict[int, Subnet] = {4: ipaddress.IPv4Network("0.0.0.0/0"), 6: ipaddress.IPv6Network("::/0")}
"""By family."""

LOW, HIGH = 0x100, 0xFFFF
"""Where pods' addresses lie in a subnet of IPv6 if nobody says: few enough to be counted and read."""


def hosts(subnet: Subnet) -> Span:
    """The first and the last host of four addresses or more. (IPv6 has no broadcast address; its first is any
    router's.)"""
    return subnet[1], subnet[-2 if subnet.version == 4 else -1]


def within(address: Address, span: Span) -> bool:
    return address.version == span[0].version and int(span[0]) <= int(address) <= int(span[1])


def is_host(address: Address, subnet: Subnet) -> bool:
    above = int(address) - int(subnet.network_address)
    return address.version == subnet.version and 0 < above < subnet.num_addresses - (subnet.version == 4)


def size(span: Span) -> int:
    return int(span[1]) - int(span[0]) + 1


def interface(address: Address, prefixlen: int) -> Interface:
    return ipaddress.ip_interface(f"{address}/{prefixlen}")


def moved(address: Address, by: int) -> Address:
    """The address so many further. Raises AddressValueError beyond the family's last."""
    return type(address)(int(address) + by)


def node_range(subnet: ipaddress.IPv4Network, occupied: Iterable[Span]) -> ipaddress.IPv4Network | None:
    """The highest small block of `subnet` that touches none of the `occupied` spans, for the nodes.

    At most 256 addresses, at most a quarter of the subnet, never with the subnet's first or last address.
    None where nothing is left.
    """
    if subnet.prefixlen > 28:
        return None
    prefix = max(24, subnet.prefixlen + 2)
    size = 2 ** (32 - prefix)
    spans = [*(each for each in occupied if each[0].version == 4), (subnet[0],) * 2, (subnet[-1],) * 2]
    start = int(subnet.broadcast_address) + 1 - size
    while start >= int(subnet.network_address):
        touched = [int(first) for first, last in spans if int(first) < start + size and start <= int(last)]
        if not touched:
            return ipaddress.IPv4Network((start, prefix))
        # The block below the span: a range of millions of addresses is passed in one step.
        start = min(touched) // size * size - size
    return None


def free_host(subnet: Subnet, occupied: Iterable[Span]) -> Address | None:
    """The highest host of `subnet` that lies in none of the `occupied` spans; None where there is none."""
    first, last = hosts(subnet)
    host = int(last)
    spans = [(int(start), int(end)) for start, end in occupied if start.version == subnet.version]
    while host >= int(first):
        touched = [start for start, end in spans if start <= host <= end]
        if not touched:
            return type(first)(host)
        host = min(touched) - 1
    return None


def widest_range(subnet: Subnet, gateway: Address | None) -> Span:
    """What pods may have where nobody says, without its gateway where that is the first or the last of it: of IPv4 all
    of `subnet` up to the nodes' block, of IPv6 a part near its beginning."""
    first, last = hosts(subnet)
    if isinstance(subnet, ipaddress.IPv6Network):
        first, last = subnet[min(LOW, subnet.num_addresses // 4)], subnet[min(HIGH, subnet.num_addresses - 1)]
    else:
        block = node_range(subnet, [(gateway, gateway)] if gateway else [])
        if block is not None and int(block[0]) - 1 > int(first):
            last = block[0] - 1
    return moved(first, 1) if gateway == first else first, moved(last, -1) if gateway == last else last


def widest_end(start: Address, subnet: Subnet, gateway: Address | None) -> Address:
    """The last address that pods may have from `start` on, where nobody says."""
    end, last = widest_range(subnet, gateway)[1], hosts(subnet)[1]
    if int(start) <= int(end):
        return end
    return last if subnet.version == 4 else subnet[min(int(start) - int(subnet[0]) + HIGH, subnet.num_addresses - 1)]
