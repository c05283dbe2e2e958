"""What has to fit together across the networks and pods of a lab."""

from collections.abc import Iterable, Mapping, Sequence

from components.settings.blocks import Subnet, size
from components.settings.families import key_of
from components.settings.faults import Faults, known
from components.settings.networks import NetworkSettings
from components.settings.pods import PodSettings
from components.settings.routes import DefaultRoute


def check_names(networks: Sequence[NetworkSettings], pods: Sequence[PodSettings], faults: Faults) -> None:
    seen = set()
    for i, network in enumerate(networks):
        if network.name and network.name in seen:
            faults.add(f"networks[{i}].name", f"{network.name!r} is there twice", "give each its own name")
        seen.add(network.name)
    taken: set[tuple[str, str]] = set()
    for i, pod in enumerate(pods):
        names = {(pod.namespace, name) for name in pod.names if pod.name}
        for _, name in sorted(names & taken)[:1]:
            faults.add(f"pods[{i}].name", f"{name!r} is there twice", "give each its own name")
        taken |= names


def check_overlaps(
    pod_subnet: Subnet, service_subnet: Subnet, networks: Sequence[NetworkSettings], faults: Faults
) -> None:
    said = [(key, subnet) for key, subnet in subnets(pod_subnet, service_subnet, networks) if known(subnet)]
    for i, (key, subnet) in enumerate(said):
        for other_key, other in said[:i]:
            if subnet.overlaps(other):
                faults.add(key, f"{subnet} overlaps {other_key} {other}", "keep the subnets apart")


def subnets(
    pod_subnet: Subnet, service_subnet: Subnet, networks: Sequence[NetworkSettings]
) -> list[tuple[str, Subnet]]:
    """All subnets of a lab with the keys that they are said by."""
    said = [("podSubnet", pod_subnet), ("serviceSubnet", service_subnet)]
    return said + [
        (f"networks[{i}].{side.key('subnet')}", side.subnet)
        for i, network in enumerate(networks)
        for side in network.sides
    ]


def check_routes(
    cluster: Mapping[str, Subnet], networks: Iterable[tuple[int, NetworkSettings]], faults: Faults
) -> None:
    """No route of a network takes pods or services off eth0, which has no more than a default route to them.

    With `net1` by a gateway of IPv4 both have a route by eth0 (kalico-routes): a wider one of the network is then
    behind it, and one of the same subnet is replaced by it. `literal` has a default route that goes before eth0's
    anyway. `cluster`: both subnets, by their keys. `networks`: with their index in the config.
    """
    for i, network in networks:
        way, by_gateway = network.default_route, any(gateway.version == 4 for gateway in network.gateways)
        if way is DefaultRoute.LITERAL:
            continue
        for key, routes in (("ipam.routes", network.ipam.routes), ("routes", network.routes)):
            for j, dst in enumerate(route.dst for route in routes):
                kept = [subnet for subnet in cluster.values() if dst.prefixlen < subnet.prefixlen]
                taken = {
                    name: subnet
                    for name, subnet in cluster.items()
                    if known(dst) and dst.prefixlen and dst.overlaps(subnet)
                    if not (way is DefaultRoute.NET1 and by_gateway and subnet in kept)
                }
                if not taken:
                    continue
                problem = f"{dst} leads {' and '.join(f'{name} {taken[name]}' for name in taken)} away from eth0"
                remedy = f"take routes without {' and '.join(map(str, taken.values()))}"
                if by_gateway and all(subnet in kept for subnet in taken.values()):
                    remedy += ", or `defaultRoute: net1`, which keeps them on eth0"
                faults.add(f"networks[{i}].{key}[{j}].dst", problem, remedy)


def check_parents(networks: Sequence[NetworkSettings], faults: Faults) -> None:
    first: dict[str, int] = {}
    for i, network in enumerate(networks):
        if network.link and (other := first.setdefault(network.link, i)) != i:
            remedy = "give each network its own, or tell them apart by `vlan`"
            faults.add(f"networks[{i}].parent", f"networks[{other}] is on {network.link} too", remedy)


def check_duplicates(networks: Sequence[NetworkSettings], pods: Sequence[PodSettings], faults: Faults) -> None:
    """Fixed addresses and MACs: each once on a network."""
    first = {
        (network.name, "address", str(address.ip)): f"networks[{i}].nodeAddresses[{j}]"
        for i, network in enumerate(networks)
        for j, address in enumerate(network.node_addresses)
    }
    for i, pod in enumerate(pods):
        for j, attachment in enumerate(pod.networks):
            fixed = [(key_of("address", address.version), str(address.ip)) for address in attachment.addresses]
            for key, value in (*fixed, ("mac", attachment.mac)):
                path = f"pods[{i}].networks[{j}].{key}"
                if value and (other := first.setdefault((attachment.network, key, value), path)) != path:
                    faults.add(path, f"{value} is that of {other} too", "give each its own")


def check_ranges(networks: Iterable[tuple[int, NetworkSettings]], pods: Sequence[PodSettings], faults: Faults) -> None:
    """Ranges hold the pods that are asked for: those that can run on the same workers alone, in these workers' parts.

    A pod that can run on several workers may find one's part used up while another's is not: the scheduler knows
    nothing of the parts. `networks`: with their index in the config.
    """
    for i, network in networks:
        capacity = network.ipam.capacity()
        if capacity is None:
            continue
        key = f"networks[{i}].ipam"
        wants = [
            (
                frozenset(pod.nodes or network.nodes),
                len(pod.names) * [a.network for a in pod.networks].count(network.name),
            )
            for pod in pods
        ]
        total = sum(want for _, want in wants)
        if total > capacity:
            first, last = min(network.ipam.occupies(), key=size)
            problem = f"the range {first} to {last} holds {capacity} addresses, the pods want {total}"
            faults.add(key, problem, "widen the range")
            continue
        ranges = network.ranges
        for nodes in dict.fromkeys(nodes for nodes, want in wants if want):
            parts = [part for part in ranges if part.worker in nodes]
            holds = sum(part.size for part in parts)
            wanted = sum(want for others, want in wants if others <= nodes)
            if ranges and wanted > holds:
                where = ", ".join(f"{part.worker} ({part})" for part in parts)
                problem = f"{where} has {holds} addresses of the range, the pods that run there alone want {wanted}"
                faults.add(key, problem, "widen the range or move pods")


def check_count(workers: Sequence[str], pods: Sequence[PodSettings], room: int, faults: Faults) -> None:
    """Workers run the pods that can run nowhere else. `workers`: the names of all. `room`: how many pods each runs."""
    wants = [(frozenset(pod.nodes or workers), len(pod.names)) for pod in pods]
    for nodes in dict.fromkeys([frozenset(workers), *(nodes for nodes, _ in wants)]):
        total = sum(want for others, want in wants if others <= nodes)
        if total <= room * len(nodes):
            continue
        where = f"{len(nodes)} worker{'s' if len(nodes) > 1 else ''}"
        remedy = f"ask for fewer or give more `workers`: each runs {room} at most, beside the cluster's own"
        if len(nodes) < len(workers):
            where += f" that they have to run on ({', '.join(each for each in workers if each in nodes)})"
            remedy = f"ask for fewer or let them run on others, too: each runs {room} at most, beside the cluster's own"
        faults.add("pods", f"{total} pods on {where}", remedy)
