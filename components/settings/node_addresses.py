"""Addresses that the workers themselves have on a network, which is the pods' alone without them."""

from collections.abc import Sequence

from components.settings.blocks import Address, Interface, interface
from components.settings.families import Side, check_address
from components.settings.faults import Section


def read_node_addresses(section: Section, side: Side | None, nodes: Sequence[str]) -> tuple[Interface, ...]:
    """The `nodeAddresses` of a network with its prefix length, one for each of the `nodes` that join; or none at all.

    `side`: the network's IPv4; None where it has none. `nodes`: empty where they could not be read.
    """
    addresses: list[Address] = []
    for item in section.entries("nodeAddresses", "address"):
        address = item.address("address")
        item.closed()
        if address is None or side is None:
            continue
        if address == side.gateway:
            item.fault("address", f"{address} is the network's gateway", "take another one")
        elif check_address(item, "address", address, side) and address in addresses:
            item.fault("address", f"{address} is there twice", "give each worker its own")
        addresses.append(address)
    if side is None:
        if section.has("nodeAddresses"):
            section.fault("nodeAddresses", "the network has no `subnet`", "give `subnet` or drop the key")
        return ()
    if section.has("nodeAddresses") and nodes and len(addresses) != len(nodes):
        if not section.faulty_at("nodeAddresses"):
            joining = "1 worker that joins" if len(nodes) == 1 else f"{len(nodes)} workers that join"
            problem = f"{len(addresses)} for {joining}"
            section.fault("nodeAddresses", problem, "give one for each in the workers' order, or drop the key")
        return ()
    return tuple(interface(address, side.subnet.prefixlen) for address in addresses)
