"""What the workers' own objects in Kubernetes tell of a network."""

from collections.abc import Mapping

from components.settings.families import side_of
from components.settings.faults import Section, shown
from components.settings.networks import NetworkSettings


def read_node_annotations(section: Section, networks: Mapping[str, NetworkSettings | None]) -> NetworkSettings | None:
    """The network that `bnk` of `nodeAnnotations` tells the workers' addresses on; None: it is not asked for.

    `networks`: by name; None where one has faults, so that nothing can be compared with it.
    """
    asked = section.boolean("bnk", False)
    name = section.text("network", next(iter(networks), ""))
    section.closed()
    if not networks and asked:
        section.fault("bnk", "there is no network that a worker has an address on", "give `networks` or drop it")
    elif name and name not in networks and "" not in networks:
        known = f"known are: {', '.join(networks)}" if networks else "drop it: there is none in `networks`"
        section.fault("network", f"there is no network {shown(name)}", known)
    network = networks.get(name)
    if not asked:
        return None
    if network is not None and not network.node_addresses:
        able = "nodeAddresses" in network.plugin.keys and side_of(network.sides, 4)
        remedy = f"give {name} `nodeAddresses`" if able else "drop it"  # of IPv6 they are not, nor on a bridge
        problem = f"the workers have no address on {name}: it is the pods' alone"
        section.fault("bnk", problem, f"{remedy}, or name another `network` that has `nodeAddresses`")
    return network
