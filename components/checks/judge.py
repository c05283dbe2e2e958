"""What the pods have, compared with what they should: a result a check, each with its figure."""

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.annotations import given
from components.checks.plan import DEFAULT, DEFAULT6, ExpectedInterface, ExpectedNetwork, Plan


@dataclass(frozen=True, kw_only=True)
class Result:
    name: str
    """What was asked: address, MTU, TCP, ..."""
    pod: str
    """NAMESPACE/NAME; '' where it is of a network."""
    what: str
    """Of the pod: its interface, and to or from whom."""
    ok: bool | None
    """None: a note, which is no failure."""
    figure: str
    where: str = ""
    """Where to look, of a failure."""

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAIL", None: "note"}[self.ok]
        pod = self.pod.removeprefix("default/")
        line = f"{mark:4}  {' '.join(filter(None, (pod, self.what)))}: {self.name} {self.figure}"
        return f"{line} (look at {self.where})" if self.where and self.ok is False else line


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An interface of a pod as Multus tells it, and as it should be."""

    expected: ExpectedInterface
    node: str
    ips: tuple[str, ...]
    mac: str

    @property
    def pod(self) -> str:
        return self.expected.pod

    def result(self, name: str, ok: bool | None, figure: str, other: str = "") -> Result:
        what = f"{self.expected.interface} {other}" if other else self.expected.interface
        return Result(name=name, pod=self.pod, what=what, ok=ok, figure=figure, where=where(self.pod, self.node))


def where(pod: str, node: str) -> str:
    namespace, _, name = pod.partition("/")
    return f"kubectl describe pod {name} --namespace {namespace}, and Multus's log of {node or 'its node'}"


def attachments(plan: Plan, pods: Iterable[Mapping[str, Any]]) -> tuple[list[Attachment], list[Result]]:
    """The interfaces of the plan among the cluster's `pods`, and a failure for each that is not there."""
    live = {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in pods}
    found: list[Attachment] = []
    missing: list[Result] = []
    for expected in plan.interfaces:
        pod = live.get(expected.pod)
        interfaces = {each.get("interface"): each for each in given(pod["metadata"])} if pod else {}
        node = pod.get("spec", {}).get("nodeName", "") if pod else ""
        entry = interfaces.get(expected.interface)
        if entry is None:
            nobody = Attachment(expected=expected, node=node, ips=(), mac="")
            missing.append(nobody.result("interface", False, "there is none" if pod else "there is no such pod"))
        else:
            ips = tuple(entry.get("ips", []))
            found.append(Attachment(expected=expected, node=node, ips=ips, mac=entry.get("mac", "").lower()))
    return found, missing


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What `ip` says in a pod's network namespace, by interface."""

    links: Mapping[str, Mapping[str, Any]]
    routes: tuple[Mapping[str, Any], ...]
    """Of the main tables, without what IPv6 puts on every link."""

    def mtu(self, interface: str) -> int:
        """In bytes; 0 where there is no such interface."""
        mtu: int = self.links.get(interface, {}).get("mtu", 0)
        return mtu

    def speaks_arp(self, interface: str) -> bool:
        return "NOARP" not in self.links.get(interface, {"flags": ["NOARP"]}).get("flags", [])

    def mtu_at(self, address: str) -> int:
        """That of the interface with this address."""
        has = [name for name, link in self.links.items() if address in [i["local"] for i in link.get("addr_info", [])]]
        return self.mtu(has[0]) if has else 0


def facts(text: str) -> Facts:
    said = json.loads(text)
    return Facts(
        links={link["ifname"]: link for link in said["links"] if link},
        routes=tuple(
            {**route, "dst": DEFAULT6} if six and route["dst"] == DEFAULT else route
            for six, family in enumerate(said["routes"])
            for route in family
            # What a router of the link's own tells is not of the config.
            if not route["dst"].startswith(("fe80::", "ff00::", "multicast")) and route.get("protocol") != "ra"
        ),
    )


def interface_results(
    attachment: Attachment, network: ExpectedNetwork, seen: Facts, all_here: Sequence[Attachment]
) -> list[Result]:
    """Link, address, MAC, MTU and routes of one interface. `all_here`: every interface on its network."""
    link = seen.links.get(attachment.expected.interface)
    if link is None:
        return [attachment.result("interface", False, "there is none in the pod's namespace")]
    up = {"UP", "LOWER_UP"} <= set(link.get("flags", []))
    flags = "up" if up else f"is not up ({','.join(link.get('flags', []))})"
    mtu, wanted = seen.mtu(attachment.expected.interface), network.mtu
    return [
        attachment.result("link", up, flags),
        _address(attachment, network, link, all_here),
        _mac(attachment, link),
        attachment.result("MTU", wanted in (None, mtu), str(mtu) if wanted in (None, mtu) else f"{mtu}, not {wanted}"),
        _routes(attachment, network, seen),
    ]


def _address(
    attachment: Attachment, network: ExpectedNetwork, link: Mapping[str, Any], all_here: Sequence[Attachment]
) -> Result:
    own = [each for each in link.get("addr_info", []) if each["scope"] == "global" and not told_by_router(each)]
    has = {f"{each['local']}/{each['prefixlen']}" for each in own}
    figure = ", ".join(sorted(has)) or "none"
    wanted = {f"{ip}/{prefix(ip, network.subnets)}" for ip in attachment.ips}
    if not wanted or has != wanted:
        return attachment.result("address", False, f"{figure}, not {', '.join(sorted(wanted)) or 'one of its network'}")
    for subnet in network.subnets:
        if not any(prefix(ip, [subnet]) for ip in attachment.ips):
            return attachment.result("address", False, f"{figure}, none of {subnet}")
    for each in own:
        if state := next((state for state in ("dadfailed", "tentative") if each.get(state)), ""):
            why = {"dadfailed": "which another has", "tentative": "which cannot be used yet"}[state]
            return attachment.result("address", False, f"{each['local']}, {why} ({state})")
    if lacking := [fixed for fixed in attachment.expected.addresses if fixed not in attachment.ips]:
        return attachment.result("address", False, f"{figure}, not {', '.join(lacking)}")
    spans = network.ranges.get(attachment.node, ())
    for ip in attachment.ips:
        for first, last in spans:
            if family(first) == family(ip) and not address(first) <= address(ip) <= address(last):
                return attachment.result("address", False, f"{figure}, not one of {first} to {last}")
        others = [other for other in all_here if other != attachment and ip in other.ips]
        if others:
            return attachment.result("address", False, f"{figure}, which {others[0].pod} has too")
    return attachment.result("address", True, figure)


def told_by_router(address: Mapping[str, Any]) -> bool:
    """Whether the pod has made an address of IPv6 by itself, of what a router on the link says."""
    return ":" in address["local"] and bool(address.get("dynamic"))


def family(text: str) -> int:
    return 6 if ":" in text else 4


def address(text: str) -> int:
    return int(ipaddress.ip_address(text))


def prefix(ip: str, subnets: Sequence[str]) -> int | None:
    """The prefix length of the one of `subnets` that `ip` is in."""
    lengths = [net.prefixlen for net in map(ipaddress.ip_network, subnets) if ipaddress.ip_address(ip) in net]
    return lengths[0] if lengths else None


def _mac(attachment: Attachment, link: Mapping[str, Any]) -> Result:
    has = link.get("address", "")
    for wanted in (attachment.expected.mac, attachment.mac):
        if wanted and has != wanted:
            return attachment.result("MAC", False, f"{has}, not {wanted}")
    return attachment.result("MAC", True, has)


def _routes(attachment: Attachment, network: ExpectedNetwork, seen: Facts) -> Result:
    has = {
        (route["dst"], route.get("gateway"))
        for route in seen.routes
        if route.get("dev") == attachment.expected.interface
    }
    subnets = {str(ipaddress.ip_network(subnet)) for subnet in network.subnets}
    wanted = dict.fromkeys(subnets) | {route.dst: route.gw for route in network.routes}
    lacking = [
        said(dst, gw) for dst, gw in wanted.items() if not any(dst == other and gw in (None, via) for other, via in has)
    ]
    beyond = [] if network.others_routes else [said(dst, via) for dst, via in has if dst not in wanted]
    if lacking or beyond:
        wrong = [f"lacks {', '.join(sorted(lacking))}"] if lacking else []
        wrong += [f"has {', '.join(sorted(beyond))} besides"] if beyond else []
        return attachment.result("routes", False, " and ".join(wrong))
    return attachment.result("routes", True, ", ".join(sorted(said(dst, via) for dst, via in has)))


def said(dst: str, gw: str | None) -> str:
    return f"{dst} via {gw}" if gw else dst


def default_routes(pod: str, seen: Facts) -> Result | None:
    """A note where the pod has more than one default route of a family; else None."""
    figures = []
    for family, dst in ((4, DEFAULT), (6, DEFAULT6)):
        by = [f"{route.get('dev')} ({route.get('gateway', 'link')})" for route in seen.routes if route["dst"] == dst]
        if len(by) > 1:
            # The cluster is of IPv4, so nothing of it is in the way of the other family.
            slow = ", and where nothing answers there names and the API are slow" if family == 4 else ""
            figures.append(f"{len(by)}{' of IPv6' * (family == 6)}: {', '.join(by)}; the first wins{slow}")
    if not figures:
        return None
    return Result(name="default routes", pod=pod, what="", ok=None, figure="; ".join(figures))


def in_the_way(pod: str, plan: Plan) -> bool:
    """Whether the config itself gives the pod a second default route, beside eth0's and at its metric."""
    networks = [each.network for each in plan.interfaces if each.pod == pod]
    return any(plan.networks[name].second_default for name in networks)


def summary(results: Sequence[Result]) -> str:
    failed, notes = (sum(1 for each in results if each.ok is ok) for ok in (False, None))
    return (
        f"self-test: {len(results) - failed - notes} passed, {failed} failed, {notes} note{'' if notes == 1 else 's'}"
    )


def as_output(results: Sequence[Result]) -> str:
    """The stack's output `self_test` as JSON: how many passed and failed, and each check."""
    return json.dumps(
        {
            "passed": sum(1 for each in results if each.ok),
            "failed": sum(1 for each in results if each.ok is False),
            "checks": [asdict(each) for each in results],
        }
    )
