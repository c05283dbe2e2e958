"""Asks the nodes and tells what holds: `python -m components.checks.run [--json] <PLAN`, with ENGINE and RUN set.

All checks run even where one fails. Prints a line a check and a summary, and ends with 1 where any failed; with --json
prints the stack's output `self_test` and ends with 0. What helps to understand a failure goes to stderr.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from components.checks import judge
from components.checks.judge import Attachment, Facts, Result
from components.checks.nodes import node_results
from components.checks.plan import SAME_L2, Peer, Plan, from_json, pairs
from components.engines import ENGINES, EngineError, last_line, put

SECONDS_AT_MOST = 120
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
    """One `exec` in a node, for as long as there is anything to ask."""

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
        return f"node {self.name} does not answer: {last_line(self._complaints.read())}"


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
    """From one interface to an address on its network."""

    name: str
    asker: Attachment
    to: str
    address: str
    macs: frozenset[str] = frozenset()
    size: int = 0
    listens: str = ""
    """Why nothing can be sent to it; '' where it listens."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """By which way packets leave that are bound to the interface's address."""

    asker: Attachment
    source: str


def check(plan: Plan, pods: Iterable[Mapping[str, Any]], nodes: Mapping[str, Node]) -> list[Result]:
    """Every check of the plan, on the cluster's `pods` as the API lists them."""
    found, results = judge.attachments(plan, pods)
    seen, listening, lost = prepare(found, nodes)
    results += lost
    here = [each for each in found if each.pod in seen]
    for each in here:
        network = plan.networks[each.expected.network]
        results += judge.interface_results(each, network, seen[each.pod], on(each.expected.network, found))
    results += [note for pod, facts in seen.items() if (note := judge.default_routes(pod, facts))]
    questions = Round()
    for pod in seen:
        home = next(each for each in here if each.pod == pod)
        questions.add(home.node, f"name {pod} kubernetes.default.svc", ("DNS", home))
        questions.add(home.node, f"api {pod} {plan.api}", ("API", home))
    for each in here:
        if plan.networks[each.expected.network].leaves_by:
            for ip in each.ips:
                questions.add(each.node, f"way {each.pod} {ip}", Way(asker=each, source=ip))
    for name in plan.networks:
        results += network_notes(plan, name, on(name, here))
        for question, request in between(plan, name, on(name, here), seen, listening):
            if question.listens:
                results.append(judge_packets(question, Answer(ok=False, said=question.listens)))
            else:
                questions.add(question.asker.node, request, question)
    for key, answer in questions.ask(nodes):
        match key:
            case Question():
                results.append(judge_packets(key, answer))
            case Way():
                results.append(judge_way(key, plan, answer))
            case name, home:
                results.append(judge_primary(name, home, plan=plan, answer=answer))
    return results


def on(network: str, attachments: Sequence[Attachment]) -> list[Attachment]:
    return [each for each in attachments if each.expected.network == network]


Port = tuple[int, str]
"""Where an interface listens; and why it does not, '' where it does."""


def prepare(
    attachments: Sequence[Attachment], nodes: Mapping[str, Node]
) -> tuple[dict[str, Facts], dict[tuple[str, str], Port], list[Result]]:
    """By pod, what its namespace has; by interface (pod, address), where it listens; and what could not be found."""
    asked = Round()
    homes = {each.pod: each for each in attachments}
    for pod, home in homes.items():
        namespace, _, name = pod.partition("/")
        asked.add(home.node, f"pod {pod} {name} {namespace}", home)
    seen: dict[str, Facts] = {}
    lost: list[Result] = []
    for home, answer in asked.ask(nodes):
        if answer.ok:
            seen[home.pod] = judge.facts(answer.said)
        else:
            lost.append(home.result("interface", False, answer.said))
    asked = Round()
    ports = itertools.cycle(range(FIRST_PORT, LAST_PORT))
    for each in attachments:
        if each.pod in seen:
            for ip, port in zip(each.ips, ports, strict=False):
                asked.add(each.node, f"serve {each.pod} {device(each, attachments)} {ip} {port}", (each.pod, ip, port))
    listening = {(pod, ip): (port, "" if answer.ok else answer.said) for (pod, ip, port), answer in asked.ask(nodes)}
    return seen, listening, lost


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
    if plan.networks[network].mode != SAME_L2:
        return []
    asked: list[tuple[Question, str]] = []
    for a, b in pairs([each.node for each in here]):
        asker, other = here[a], here[b]
        if asker.pod == other.pod:
            continue
        macs = frozenset(each.mac for each in here if each.pod == other.pod)
        mtu = min(seen[each.pod].mtu(each.expected.interface) for each in (asker, other))
        for source, target in same_family(asker.ips, other.ips):
            port, silent = listening[(other.pod, target)]
            to = f"{other.pod.removeprefix('default/')} {other.expected.interface}"
            common = f"{asker.pod} {device(asker, here)} {source} {target}"
            size = mtu - HEADERS[6 if ":" in target else 4]
            near = Question(name="neighbour", asker=asker, to=to, address=target, macs=macs)
            tcp = Question(name="TCP", asker=asker, to=to, address=target, listens=silent)
            large = Question(name="large packet", asker=asker, to=to, address=target, size=size, listens=silent)
            asked += [
                (near, f"near {common}"),
                (tcp, f"tcp {common} {port}"),
                (large, f"large {common} {port} {size}"),
            ]
    for peer in (each for each in plan.peers if each.network == network):
        asked += [
            (to_peer(asker, peer), f"near {asker.pod} {device(asker, here)} {source} {peer.address}")
            for asker in here
            for source, _ in same_family(asker.ips, [peer.address])
        ]
    return asked


def to_peer(asker: Attachment, peer: Peer) -> Question:
    return Question(
        name="neighbour", asker=asker, to="the peer", address=peer.address, macs=frozenset([peer.mac or "the peer's"])
    )


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
    mode = plan.networks[name].mode
    if mode != SAME_L2:
        notes = [
            f"between pods were not asked: {mode} keeps those of one parent apart, unless a switch sends them back"
        ]
    elif len({each.pod for each in here}) == 1 and not any(peer.network == name for peer in plan.peers):
        notes = [f"had nowhere to go: {here[0].pod.removeprefix('default/')} is alone on it"]
    else:
        notes = []
    notes.append("to the machine itself were not asked: a macvlan does not reach its own parent")
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
        size = question.size + HEADERS[6 if ":" in question.address else 4]
        figure = ", ".join(filter(None, (question.address, f"{size} bytes in one piece", answer.said)))
    elif ok:
        figure += " ms"
    return question.asker.result(question.name, ok, figure, to=question.to)


def judge_way(way: Way, plan: Plan, answer: Answer) -> Result:
    gateway = plan.networks[way.asker.expected.network].leaves_by
    wanted = f"via {gateway} dev {way.asker.expected.interface}"
    ok = answer.ok and wanted in answer.said
    figure = f"from {way.source} {wanted}" + ("" if ok else f", not {answer.said}")
    return way.asker.result("way out", ok, figure)


def judge_primary(name: str, home: Attachment, *, plan: Plan, answer: Answer) -> Result:
    ok: bool | None = answer.ok and (name != "API" or answer.said.startswith("200 "))
    figure = f"{answer.said} ms" if answer.ok else answer.said
    if not ok and judge.in_the_way(home.pod, plan):
        ok, figure = None, f"{figure}: the default route that the config gives it goes before eth0's"
    result = Result(name=name, pod=home.pod, what="eth0", ok=ok, figure=figure)
    return result if ok is not False else Result(**{**vars(result), "where": judge.where(home.pod, home.node)})


def pods_of(kubeconfig: Path) -> list[dict[str, Any]]:
    """Every pod, as the API lists them. Raises EngineError where it does not answer."""
    asked = put(kubectl(kubeconfig, "get", "--raw", "/api/v1/pods"), "kubectl cannot be run")
    if asked.returncode:
        raise EngineError(f"the cluster does not answer: {last_line(asked.stderr)}")
    items: list[dict[str, Any]] = json.loads(asked.stdout)["items"]
    return items


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
    """Lines about the pods whose checks failed: events, Multus's log of the node, and what `ip` says in the pod."""
    failed = list(dict.fromkeys(each.pod for each in results if each.ok is False and each.pod))
    lines: list[str] = []
    for pod in failed[:SHOWN_AT_MOST]:
        namespace, _, name = pod.partition("/")
        lines += ["", f"{pod}: events"]
        events = "custom-columns=REASON:.reason,MESSAGE:.message"
        of_it = f"--field-selector=involvedObject.name={name}"
        lines += told(kubectl(kubeconfig, "get", "events", "--namespace", namespace, of_it, "--output", events))
        if node := homes.get(pod):
            lines += [f"{pod}: Multus's log of {node}", *multus_log(kubeconfig, node, name)]
            lines += [f"{pod}: addresses, routes, rules and neighbours", *nodes[node].ask([f"state {pod}"])[0].more]
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
    homes = {each.pod: each.node for each in found}
    sessions = {node: NodeSession(engine=engine, name=node) for node in sorted(set(homes.values()))}
    try:
        results = [*node_results(ENGINES[engine], plan.nodes), *check(plan, pods, sessions)]
        return results, look_into(results, homes, sessions, kubeconfig)
    finally:
        for session in sessions.values():
            session.close()


def main(words: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        results, help_ = run(
            from_json(sys.stdin.read()), environment["ENGINE"], Path(environment["RUN"]) / "kubeconfig"
        )
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
