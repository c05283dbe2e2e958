"""Addresses that the workers themselves have on a network, which is the pods' alone without them."""

import ipaddress
from collections.abc import Sequence

from components.settings.blocks import Address, Span, Subnet
from components.settings.faults import NOWHERE, Section


def read_node_addresses(
    section: Section, subnet: Subnet, gateway: Address | None, span: Span | None, nodes: Sequence[str]
) -> tuple[ipaddress.IPv4Interface, ...]:
    """The `nodeAddresses` of a network with its prefix length, one for each of the `nodes` that join; or none at all.

    `span`: the pods' own addresses. `nodes`: empty where they could not be read.
    """
    addresses: list[Address] = []
    for item in section.entries("nodeAddresses", "address"):
        address = item.address("address")
        item.closed()
        if address is None:
            continue
        if subnet is not NOWHERE and not subnet.network_address < address < subnet.broadcast_address:
            item.fault("address", f"{address} is no host address of {subnet}", "take one from the subnet")
        elif address == gateway:
            item.fault("address", f"{address} is the network's gateway", "take another one")
        elif span and span[0] <= address <= span[1]:
            item.fault("address", f"{address} lies in the pods' range {span[0]} to {span[1]}", "move either")
        elif address in addresses:
            item.fault("address", f"{address} is there twice", "give each worker its own")
        addresses.append(address)
    if section.has("nodeAddresses") and nodes and len(addresses) != len(nodes):
        if not section.faulty_at("nodeAddresses"):
            joining = "1 worker that joins" if len(nodes) == 1 else f"{len(nodes)} workers that join"
            problem = f"{len(addresses)} for {joining}"
            section.fault("nodeAddresses", problem, "give one for each in the workers' order, or drop the key")
        return ()
    return tuple(ipaddress.IPv4Interface((address, subnet.prefixlen)) for address in addresses)
