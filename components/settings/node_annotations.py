"""What the workers' own objects in Kubernetes tell of a network."""

from collections.abc import Mapping

from components.settings.faults import Section, shown
from components.settings.networks import NetworkSettings


def read_node_annotations(section: Section, networks: Mapping[str, NetworkSettings | None]) -> NetworkSettings | None:
    """The network that `bnk` of `nodeAnnotations` tells the workers' addresses on; None: it is not asked for.

    `networks`: by name; None where one has faults, so that nothing can be compared with it.
    """
    asked = section.boolean("bnk", False)
    name = section.text("network", next(iter(networks), ""))
    section.closed()
    if not asked:
        return None
    if not networks:
        section.fault("bnk", "there is no network that a worker has an address on", "give `networks` or drop it")
    elif name and name not in networks and "" not in networks:
        section.fault("network", f"there is no network {shown(name)}", f"known are: {', '.join(networks)}")
    network = networks.get(name)
    if network is not None and not network.node_addresses:
        problem = f"the workers have no address on {name}: it is the pods' alone"
        section.fault("bnk", problem, f"give {name} `nodeAddresses`, or name another `network`")
    return network
