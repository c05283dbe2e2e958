"""Asks the nodes and tells what holds: `python -m components.checks.run [--json] <PLAN`, with ENGINE and RUN set.

All checks run even where one fails. Prints a line a check and a summary, and ends with 1 where any failed; with --json
prints the stack's output `self_test` and ends with 0. What helps to understand a failure goes to stderr.
"""

import ipaddress
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from components.checks import judge
from components.checks.judge import Attachment, Facts, Result
from components.checks.nodes import node_results
from components.checks.plan import Peer, Plan, from_json, pairs
from components.engines import ENGINES, EngineError, last_line, put

SECONDS_AT_MOST = 180
"""For all that one node is asked."""
SHOWN_AT_MOST = 3
"""So many pods are looked into where checks fail; the others' lines say where to look."""
FIRST_PORT, LAST_PORT = 61000, 65000
"""Beyond the kernel's own choice for outgoing connections; a pod's own servers are hardly there."""
HEADERS = {4: 28, 6: 48}
"""Bytes of IP and UDP before the payload."""
SCRIPT = Path(__file__).parent.parent / "scripts/self-test.sh"


@dataclass(frozen=True, kw_only=True)
class Answer:
    ok: bool
    said: str
    more: tuple[str, ...] = ()


class Node(Protocol):
    def ask(self, requests: Sequence[str]) -> list[Answer]:
        """What comes of each request (see self-test.sh), once all of them have an answer."""


@dataclass
class NodeSession:
    """One `exec` in a node, or in a peer, for as long as there is anything to ask."""

    engine: str
    name: str
    asked: int = 0

    def __post_init__(self) -> None:
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 # closed with the session
        words = [self.engine, "exec", "--interactive", self.name, "bash", "-c", SCRIPT.read_text(), "self-test"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, text=True
        )
        self._alarm = threading.Timer(SECONDS_AT_MOST, self._process.kill)
        self._alarm.start()

    def ask(self, requests: Sequence[str]) -> list[Answer]:
        numbers = range(self.asked, self.asked + len(requests))
        self.asked += len(requests)
        lines = [f"{number} {request}\n" for number, request in zip(numbers, requests, strict=True)]
        assert self._process.stdin  # noqa: S101 # a pipe
        assert self._process.stdout  # noqa: S101 # a pipe
        try:
            self._process.stdin.write("".join([*lines, "sync\n"]))
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and the answers say why
        told = answers(itertools.takewhile(lambda line: line != "sync\n", self._process.stdout))
        return [told.get(str(number)) or Answer(ok=False, said=self._silence()) for number in numbers]

    def close(self) -> None:
        self._alarm.cancel()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._complaints.close()

    def _silence(self) -> str:
        self._complaints.seek(0)
        return f"{self.name} does not answer: {last_line(self._complaints.read())}"


def answers(lines: Iterable[str]) -> dict[str, Answer]:
    """By the number of the request."""
    told: dict[str, Answer] = {}
    more: dict[str, list[str]] = {}
    for line in lines:
        number, _, rest = line.rstrip("\n").partition(" ")
        how, _, said = rest.partition(" ")
        if how == "more":
            more.setdefault(number, []).append(said)
        elif number:
            told[number] = Answer(ok=how == "ok", said=said, more=tuple(more.get(number, ())))
    return told


@dataclass
class Round:
    """What the nodes are asked at once, each request with what its answer is good for."""

    requests: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, node: str, request: str, key: Any) -> None:
        self.requests.setdefault(node, []).append(request)
        self.keys.setdefault(node, []).append(key)

    def ask(self, nodes: Mapping[str, Node]) -> list[tuple[Any, Answer]]:
        asked = list(self.requests)
        with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
            told = pool.map(lambda node: nodes[node].ask(self.requests[node]), asked)
            return [
                pair for node, each in zip(asked, told, strict=True) for pair in zip(self.keys[node], each, strict=True)
            ]


@dataclass(frozen=True, kw_only=True)
class Question:
    """From one interface to an address on its network, or from the peer to one."""

    name: str
    asker: Attachment
    other: str
    """To whom it is, or from whom it comes."""
    address: str
    macs: frozenset[str] = frozenset()
    size: int = 0
    listens: str = ""
    """Why nothing can be sent to it; '' where it listens."""
    by: str = ""
    """The peer that asks; '' where the interface does."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """By which way packets leave that are bound to the interface's address."""

    asker: Attachment
    source: str
    gateway: str


@dataclass(frozen=True, kw_only=True)
class Sole:
    """Whether nobody else has an interface's address."""

    asker: Attachment
    address: str


def check(plan: Plan, pods: Iterable[Mapping[str, Any]], nodes: Mapping[str, Node]) -> list[Result]:
    """Every check of the plan, on the cluster's `pods` as the API lists them."""
    found, results = judge.attachments(plan, pods)
    seen, listening, lost = prepare(found, peers_on(plan, found), nodes)
    results += lost
    here = [each for each in found if each.pod in seen]
    for each in here:
        network = plan.networks[each.expected.network]
        results += judge.interface_results(each, network, seen[each.pod], on(each.expected.network, found))
    homes = {each.pod: each for each in here}
    results += [note for pod in homes if (note := judge.default_routes(pod, seen[pod]))]
    questions = Round()
    for pod, home in homes.items():
        questions.add(home.node, f"name {pod} kubernetes.default.svc", ("DNS", home))
        questions.add(home.node, f"api {pod} {plan.api}", ("API", home))
    for each in here:
        gateways = plan.networks[each.expected.network].leaves_by
        for ip, gateway in same_family(each.ips, gateways):
            questions.add(each.node, f"way {each.pod} {ip}", Way(asker=each, source=ip, gateway=gateway))
        if seen[each.pod].speaks_arp(each.expected.interface):
            for ip in each.ips:
                request = f"sole {each.pod} {each.expected.interface} {ipaddress.ip_address(ip).exploded}"
                questions.add(each.node, request, Sole(asker=each, address=ip))
    packets: list[tuple[Question, Answer]] = []
    for name in plan.networks:
        results += network_notes(plan, name, on(name, here))
        for question, request in between(plan, name, on(name, here), seen, listening):
            if question.listens:
                packets.append((question, Answer(ok=False, said=question.listens)))
            else:
                questions.add(question.by or question.asker.node, request, question)
    doubled: set[tuple[str, str]] = set()
    for key, answer in questions.ask(nodes):
        match key:
            case Question():
                packets.append((key, answer))
            case Way():
                results.append(judge_way(key, answer))
            case Sole():
                results.append(judge_sole(key, answer, seen[key.asker.pod]))
                if answer.ok and not results[-1].ok:
                    doubled.add((key.asker.expected.network, key.address))
            case name, home:
                results.append(judge_primary(name, home, plan=plan, answer=answer))
    return results + [judge_packets(*each) for each in packets if not strays(each[0], doubled)]


def on(network: str, attachments: Sequence[Attachment]) -> list[Attachment]:
    return [each for each in attachments if each.expected.network == network]


Port = tuple[int, str]
"""Where an interface listens; and why it does not, '' where it does."""


def prepare(
    attachments: Sequence[Attachment], peers: Sequence[Peer], nodes: Mapping[str, Node]
) -> tuple[dict[str, Facts], dict[tuple[str, str], Port], list[Result]]:
    """What the namespace of each pod and peer has; where each interface (pod or peer, address) listens; and what could
    not be found."""
    asked = Round()
    homes = {each.pod: each for each in attachments}
    for pod, home in homes.items():
        namespace, _, name = pod.partition("/")
        asked.add(home.node, f"pod {pod} {name} {namespace}", home)
    for peer in peers:
        asked.add(peer.container, f"here {peer.container}", peer)
    seen: dict[str, Facts] = {}
    lost: list[Result] = []
    listening: dict[tuple[str, str], Port] = {}
    for key, answer in asked.ask(nodes):
        match key:
            case Peer() if not answer.ok:
                listening[key.container, key.address] = 0, answer.said
            case Peer():
                seen[key.container] = judge.facts(answer.said)
            case home if answer.ok:
                seen[home.pod] = judge.facts(answer.said)
            case home:
                lost.append(home.result("interface", False, answer.said))
    asked = Round()
    ports = itertools.cycle(range(FIRST_PORT, LAST_PORT))
    for peer, port in zip(peers, ports, strict=False):
        if peer.container in seen:
            request = f"serve {peer.container} - {peer.address} {port}"
            asked.add(peer.container, request, (peer.container, peer.address, port))
    for each in attachments:
        if each.pod in seen:
            for ip, port in zip(each.ips, ports, strict=False):
                asked.add(each.node, f"serve {each.pod} {device(each, attachments)} {ip} {port}", (each.pod, ip, port))
    for (pod, ip, port), answer in asked.ask(nodes):
        listening[pod, ip] = port, "" if answer.ok else answer.said
    return seen, listening, lost


def peers_on(plan: Plan, attachments: Sequence[Attachment]) -> list[Peer]:
    """The peers that there is somebody to ask of."""
    return [peer for peer in plan.peers if on(peer.network, attachments)]


def device(attachment: Attachment, attachments: Sequence[Attachment]) -> str:
    """What sockets are bound to. A pod that is on a network twice gets what is for the one by the other, too: `-`."""
    same = [each for each in on(attachment.expected.network, attachments) if each.pod == attachment.pod]
    return attachment.expected.interface if len(same) == 1 else "-"


def between(
    plan: Plan,
    network: str,
    here: Sequence[Attachment],
    seen: Mapping[str, Facts],
    listening: Mapping[tuple[str, str], Port],
) -> list[tuple[Question, str]]:
    """What the interfaces on a network are asked of each other, with the node's request."""
    if plan.networks[network].pods_apart:
        return []
    asked: list[tuple[Question, str]] = []
    for asker, other in asking(plan, network, here):
        macs = frozenset(each.mac for each in here if each.pod == other.pod)
        mtu = min(seen[each.pod].mtu(each.expected.interface) for each in (asker, other))
        for source, target in same_family(asker.ips, other.ips):
            port, silent = listening[(other.pod, target)]
            to = f"to {other.pod.removeprefix('default/')} {other.expected.interface}"
            common = f"{asker.pod} {device(asker, here)} {source} {target}"
            size = mtu - HEADERS[judge.family(target)]
            near = Question(name="neighbour", asker=asker, other=to, address=target, macs=macs)
            tcp = Question(name="TCP", asker=asker, other=to, address=target, listens=silent)
            large = Question(name="large packet", asker=asker, other=to, address=target, size=size, listens=silent)
            asked += [
                (near, f"near {common}"),
                (tcp, f"tcp {common} {port}"),
                (large, f"large {common} {port} {size}"),
            ]
    for peer in (each for each in plan.peers if each.network == network):
        for asker in here:
            for source, _ in same_family(asker.ips, [peer.address]):
                asked += with_peer(asker, source, peer, device(asker, here), seen, listening)
    return asked


def asking(plan: Plan, network: str, here: Sequence[Attachment]) -> list[tuple[Attachment, Attachment]]:
    """Who asks whom: see `pairs`, for each L2 that the network is."""
    apart = dict.fromkeys(each.node for each in here) if plan.networks[network].bridges else [None]
    l2s = [[each for each in here if node in (None, each.node)] for node in apart]
    return [(l2[a], l2[b]) for l2 in l2s for a, b in pairs([each.node for each in l2], [each.pod for each in l2])]


def with_peer(
    asker: Attachment,
    source: str,
    peer: Peer,
    bound: str,
    seen: Mapping[str, Facts],
    listening: Mapping[tuple[str, str], Port],
) -> list[tuple[Question, str]]:
    """What an interface is asked of the peer by its address `source`, its sockets `bound` to it, and the peer of it."""
    port, silent = listening[peer.container, peer.address]
    own_port, own_silent = listening[asker.pod, source]
    mtus = [seen[asker.pod].mtu(asker.expected.interface)]
    if peer.container in seen:
        mtus.append(seen[peer.container].mtu_at(peer.address))
    size = min(filter(None, mtus), default=0) - HEADERS[judge.family(source)]
    common = f"{asker.pod} {bound} {source} {peer.address}"
    to = partial(Question, asker=asker, other="to the peer", address=peer.address)
    back = Question(
        name="TCP",
        asker=asker,
        other="from the peer",
        address=source,
        by=peer.container,
        listens=own_silent if peer.container in seen else silent,
    )
    return [
        (to(name="neighbour", macs=frozenset([peer.mac or "the peer's"])), f"near {common}"),
        (to(name="TCP", listens=silent), f"tcp {common} {port}"),
        (to(name="large packet", size=size, listens=silent), f"large {common} {port} {size}"),
        (back, f"tcp {peer.container} - {peer.address} {source} {own_port}"),
    ]


def strays(question: Question, doubled: Collection[tuple[str, str]]) -> bool:
    """Whether its packets may go to another who has the same address: what becomes of them tells nothing."""
    ends = {question.address, *question.asker.ips}
    return any((question.asker.expected.network, end) in doubled for end in ends)


def same_family(sources: Sequence[str], targets: Sequence[str]) -> list[tuple[str, str]]:
    """The first of each family on either side."""
    found: dict[bool, tuple[str, str]] = {}
    for source, target in itertools.product(sources, targets):
        if (":" in source) == (":" in target):
            found.setdefault(":" in source, (source, target))
    return list(found.values())


def network_notes(plan: Plan, name: str, here: Sequence[Attachment]) -> list[Result]:
    """What nobody need wonder at, of a network with pods."""
    if not here:
        return []
    network = plan.networks[name]
    has_peer = any(peer.network == name for peer in plan.peers)
    if network.pods_apart:
        whose = "between pods, to and from the peer" if has_peer else "between pods"
        notes = [f"{whose} were not asked: {network.pods_apart}"]
    elif len({each.pod for each in here}) == 1 and not has_peer:
        notes = [f"had nowhere to go: {here[0].pod.removeprefix('default/')} is alone on it"]
    else:
        notes = []
    if network.bridges and len({each.node for each in here}) > 1:
        notes.append("from node to node were not asked: each node has a bridge of its own")
    notes.append(f"to the machine itself were not asked: {network.machine_apart}")
    return [Result(name="packets", pod="", what=name, ok=None, figure=figure) for figure in notes]


def judge_packets(question: Question, answer: Answer) -> Result:
    figure = f"{question.address}, {answer.said}"
    ok = answer.ok
    if question.macs and ok:
        ok = answer.said in question.macs
        if not ok:
            known = " or ".join(sorted(question.macs))
            figure += f", not {known}: another has the address, or the pod another MAC"
    elif question.size:
        size = question.size + HEADERS[judge.family(question.address)]
        figure = ", ".join(filter(None, (question.address, f"{size} bytes in one piece", answer.said)))
    elif ok:
        figure += " ms"
    return question.asker.result(question.name, ok, figure, other=question.other)


def judge_way(way: Way, answer: Answer) -> Result:
    wanted = f"via {way.gateway} dev {way.asker.expected.interface}"
    ok = answer.ok and f"{wanted} " in f"{answer.said} "  # net1 is no net10
    figure = f"from {way.source} {wanted}" + ("" if ok else f", not {answer.said}")
    return way.asker.result("way out", ok, figure)


def judge_sole(sole: Sole, answer: Answer, seen: Facts) -> Result:
    """Another interface of the pod's own on the network answers for it, too."""
    own = {link.get("address") for link in seen.links.values()}
    others = [mac for mac in answer.said.split() if mac not in own] if answer.ok else []
    if not answer.ok:
        figure = f"{sole.address}, {answer.said}"
    elif others:
        figure = f"{' and '.join(others)} has {sole.address}, too; what goes there and back was not judged"
    else:
        figure = f"none of {sole.address}"
    return sole.asker.result("duplicates", answer.ok and not others, figure)


def judge_primary(name: str, home: Attachment, *, plan: Plan, answer: Answer) -> Result:
    ok: bool | None = answer.ok and (name != "API" or answer.said.startswith("200 "))
    figure = f"{answer.said} ms" if answer.ok else answer.said
    if not ok and judge.in_the_way(home.pod, plan):
        ok, figure = None, f"{figure}: the default route that the config gives it goes before eth0's"
    result = Result(name=name, pod=home.pod, what="eth0", ok=ok, figure=figure)
    return result if ok is not False else replace(result, where=judge.where(home.pod, home.node))


def pods_of(kubeconfig: Path) -> list[dict[str, Any]]:
    """Every pod, as the API lists them. Raises EngineError where it does not answer."""
    asked = put(kubectl(kubeconfig, "get", "--raw", "/api/v1/pods"), "kubectl cannot be run")
    if asked.returncode:
        raise EngineError(f"the cluster does not answer: {last_line(asked.stderr)}")
    items: list[dict[str, Any]] = json.loads(asked.stdout)["items"]
    return items


def homes_of(plan: Plan, pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The node of each pod of the plan that has one, those without their interfaces among them."""
    planned = {each.pod for each in plan.interfaces}
    named = {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in pods}
    return {name: node for name, pod in named.items() if name in planned and (node := pod["spec"].get("nodeName"))}


def kubectl(kubeconfig: Path, *words: str) -> list[str]:
    return ["kubectl", "--kubeconfig", str(kubeconfig), "--request-timeout", "5s", *words]


def mac_of(engine: str, peer: Peer) -> str:
    """The MAC that the engine gave the peer on its network; '' where it has none."""
    shown = "{{with index .NetworkSettings.Networks %s}}{{.MacAddress}}{{end}}" % json.dumps(peer.network)  # noqa: UP031
    asked = put([engine, "inspect", "--format", shown, peer.container], f"{engine} cannot be run")
    return asked.stdout.strip().lower()


def look_into(
    results: Sequence[Result], homes: Mapping[str, str], nodes: Mapping[str, Node], kubeconfig: Path
) -> list[str]:
    """Lines about the pods whose checks failed: events, the logs of the node, and what `ip` says in the pod and there.

    The plugins themselves keep no log: what they say is in Multus's and containerd's.
    """
    failed = list(dict.fromkeys(each.pod for each in results if each.ok is False and each.pod))
    shown = failed[:SHOWN_AT_MOST]
    lines: list[str] = []
    for pod in shown:
        namespace, _, name = pod.partition("/")
        lines += ["", f"{pod}: events"]
        events = "custom-columns=REASON:.reason,MESSAGE:.message"
        of_it = f"--field-selector=involvedObject.name={name}"
        lines += told(kubectl(kubeconfig, "get", "events", "--namespace", namespace, of_it, "--output", events))
        if node := homes.get(pod):
            lines += [f"{pod}: Multus's log of {node}", *multus_log(kubeconfig, node, name)]
            requests = [f"journal {name}", f"pod {pod} {name} {namespace}", f"state {pod}"]
            journal, _, state = nodes[node].ask(requests)
            lines += [f"{pod}: kubelet and containerd of {node}, with the plugins' output", *journal.more]
            lines += [f"{pod}: addresses, routes, rules and neighbours", *state.more]
    for node in dict.fromkeys(homes[pod] for pod in shown if homes.get(pod)):
        lines += [f"{node}: its own links", *nodes[node].ask(["links"])[0].more]
    return lines


def multus_log(kubeconfig: Path, node: str, pod: str) -> list[str]:
    """What it says of the pod, at most the last 20 lines."""
    of_node = ["--namespace", "kube-system", "--selector", "app=multus", f"--field-selector=spec.nodeName={node}"]
    lines: list[str] = []
    for daemon in told(kubectl(kubeconfig, "get", "pods", *of_node, "--output", "name")):
        log = told(kubectl(kubeconfig, "logs", "--namespace", "kube-system", daemon, "--tail", "500"))
        lines += [line for line in log if pod in line][-20:]
    return lines


def told(words: Sequence[str]) -> list[str]:
    asked = put(list(words), "kubectl cannot be run")
    return (asked.stdout if asked.returncode == 0 else asked.stderr).splitlines()


def run(plan: Plan, engine: str, kubeconfig: Path) -> tuple[list[Result], list[str]]:
    """The results, and lines that help with the failed ones. Raises EngineError where the cluster does not answer."""
    plan = replace(plan, peers=tuple(replace(each, mac=mac_of(engine, each)) for each in plan.peers))
    pods = pods_of(kubeconfig)
    found, _ = judge.attachments(plan, pods)
    homes = homes_of(plan, pods)
    asked = {*homes.values(), *(peer.container for peer in peers_on(plan, found))}
    sessions = {name: NodeSession(engine=engine, name=name) for name in sorted(asked)}
    try:
        results = [*node_results(ENGINES[engine], plan.nodes), *check(plan, pods, sessions)]
        return results, look_into(results, homes, sessions, kubeconfig)
    finally:
        for session in sessions.values():
            session.close()


def main(words: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        plan = from_json(sys.stdin.read())
    except (ValueError, LookupError, TypeError):
        print("the self-test's plan is not one that this checkout writes: `make up` writes it anew", file=sys.stderr)
        return 2
    try:
        results, help_ = run(plan, environment["ENGINE"], Path(environment["RUN"]) / "kubeconfig")
    except EngineError as error:
        print(f"the self-test cannot be run: {error}", file=sys.stderr)
        return 2
    as_json = "--json" in words
    print(judge.as_output(results) if as_json else "\n".join([*map(str, results), judge.summary(results)]), flush=True)
    if help_:
        print("\n".join(help_), file=sys.stderr)
    return 0 if as_json or not any(each.ok is False for each in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
