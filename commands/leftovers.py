"""What a lab leaves on a machine when a run was killed: found, removed with the lab's own scripts, and proven gone."""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from components.engines import ENGINES, LAB_LABEL, TIMEOUT, Standing, ask
from components.scripts import BASH, script
from components.workspace import OWNER, cache_folder, owner


def run_folder(environment: Mapping[str, str], cluster: str) -> Path:
    return cache_folder(dict(environment)) / "run" / cluster


def sweep(run: Path, cluster: str) -> list[str]:
    """Remove what the folder of live files says a run has begun; the lines say what could not be removed."""
    # (The workers go with the cluster.)
    on_networks = [each for each in begun(run) if each.record.parent.name != "volumes"]
    problems = [line for each in on_networks for line in remove(run, cluster, each)]
    if (run / "engine").exists():
        if engine := (run / "engine").read_text().strip():
            problems += _delete("kind-delete", run, cluster, engine, {})
        else:
            (run / "engine").unlink()
    if run.is_dir():
        for lock in run.glob("lock*"):
            lock.unlink()
        # Why each thing was made, and what to check: nothing by itself, and by now of nothing that is there.
        own = ("because/cluster", "because/node.*", "because/network.*", "because/self-test", "checks.json", OWNER)
        reasons = [path for name in own for path in run.glob(name)]
        left = [path for path in run.rglob("*") if path.is_file() and path not in reasons]
        problems += [str(path) for path in left]
        if not left:
            for reason in reasons:
                reason.unlink()
            for folder in (*(run / kind for kind in (*MADE, "because")), run):
                if folder.is_dir():
                    folder.rmdir()
    return problems


def runs_of(environment: Mapping[str, str], stack: str) -> list[Path]:
    """The folders of live files of the labs that the stack has made: one, or more where `clusterName` was another."""
    return [run for run in sorted(run_folder(environment, ".").glob("*/")) if owner(run) == stack]


MADE = {
    "volumes": ("workers", "worker-delete", "", {}),
    "servers": ("leases", "peer-delete", "PEER", {"ROLE": "server"}),
    "peers": ("peers", "peer-delete", "PEER", {}),
    "networks": ("networks", "network-delete", "BRIDGE", {}),
}
"""By folder of live files: the layer whose resource makes such a thing, the script that removes it, what that calls the
thing, and what else it is told. What is on the networks goes before these."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A worker, a network, or what is on one: by its record among the live files, which has the node's or the network's
    name."""

    record: Path
    resource: str
    """Its name in the program."""
    remover: str
    engine: str
    """'' where the record was cut off in the writing."""
    values: Mapping[str, str]
    """What the remover is told of it besides."""


def begun(run: Path) -> list[Begun]:
    """All that the live files tell of but for the cluster itself, in the order in which it goes."""
    return [each for kind in MADE for record in sorted(run.glob(f"{kind}/*")) if (each := _begun(run, record))]


def _begun(run: Path, record: Path) -> Begun | None:
    layer, remover, thing, more = MADE[record.parent.name]
    if not thing:
        engine, values = " ".join(_words(run / "engine")), {"NODE": record.name}
        if record.name == f"{run.name}-control-plane":
            return None
    else:
        match record.read_text().split():
            case [engine, name]:
                values = {"NETWORK": record.name, thing: name, **more}
            case []:
                engine, values = "", {}
            case _:
                return None
    resource = f"{layer}-{record.name}"
    return Begun(record=record, resource=resource, remover=remover, engine=engine, values=values)


def remove(run: Path, cluster: str, thing: Begun) -> list[str]:
    """Remove one of them; the lines say what could not be removed."""
    if thing.engine:
        return _delete(thing.remover, run, cluster, thing.engine, thing.values)
    thing.record.unlink()  # It comes before the first step: there is nothing of it.
    return []


def _delete(name: str, run: Path, cluster: str, engine: str, values: Mapping[str, str]) -> list[str]:
    print(f"clearing up after an earlier run: {' '.join([name, *values.values()])}", flush=True)
    cache = {"KUBECACHEDIR": str(run.parent.parent / "kubectl")}  # not the user's own ~/.kube
    return removed_by(name, {"ENGINE": engine, "CLUSTER": cluster, "RUN": str(run), **cache, **values})


def removed_by(name: str, environment: Mapping[str, str]) -> list[str]:
    """Run one of the lab's scripts that remove; what it complains of when it fails."""
    words = [*BASH, script(name)]
    ended = subprocess.run(words, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
    return [f"{name} on {environment['ENGINE']}: {ended.stderr.strip()}"] if ended.returncode else []


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is on the machine, by kind of thing; taken before and after a lab, the two should be equal."""

    containers: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    cni: frozenset[str] = frozenset()
    """Plugins and configs on the machine itself; the lab's are in its nodes."""
    kubeconfig: frozenset[str] = frozenset()
    """The user's own: what it is, since nothing of it may change."""
    processes: frozenset[str] = frozenset()

    def added_to(self, before: "Snapshot") -> list[str]:
        """What is here now and was not before, a line each."""
        return [
            f"{field.name}: {item}"
            for field in fields(self)
            for item in sorted(getattr(self, field.name) - getattr(before, field.name))
        ]


HELPER = "pulumi-"
"""How the names of Pulumi's helpers begin: pulumi-language-python, pulumi-resource-kubernetes."""


def end_orphans(folder: Path) -> None:
    """End Pulumi's helpers that a killed `pulumi` left running on the program in `folder`.

    They run in groups of their own, so that killing Pulumi's does not reach them; its language host then stays. Its
    new parent is init, or whatever collects orphans here: known is only that no `pulumi` is above it any more.
    """
    running = _parents()
    for process, (name, parent) in running.items():
        above: list[str] = []
        while parent in running and len(above) < len(running):
            above.append(running[parent][0])
            parent = running[parent][1]
        # (Pulumi itself may be a wrapped one: .pulumi-wrapped.)
        if name.startswith(HELPER) and not any("pulumi" in each and not each.startswith(HELPER) for each in above):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process}/cwd").readlink() == folder:
                    os.kill(process, signal.SIGTERM)


def _parents() -> dict[int, tuple[str, int]]:
    """Name and parent of each process, by its id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            found[int(stat.parent.name)] = (name, int(rest.split()[1]))
    return found


CNI = (Path("/opt/cni"), Path("/etc/cni"))

PROCESSES = ("kind", "pulumi", "conmon", "kubelet", "containerd-shim", "aardvark-dns")
"""Names (or the beginnings of names) of processes that a lab starts."""


def snapshot(environment: Mapping[str, str]) -> Snapshot:
    """The state of this machine now, asked of every engine that answers."""
    engines = [engine.name for engine in ENGINES.values() if ask(engine).standing is not Standing.SILENT]

    def lines(*words: str) -> frozenset[str]:
        return frozenset(f"{engine} {line}" for engine in engines for line in _lines(engine, *words))

    run = cache_folder(dict(environment)) / "run"
    return Snapshot(
        containers=lines("ps", "--all", "--format", "{{.Names}}"),
        networks=lines("network", "ls", "--format", "{{.Name}}"),
        volumes=lines("volume", "ls", "--format", "{{.Name}}"),
        links=_links(),
        namespaces=frozenset(line.split()[0] for line in _lines("ip", "netns", "list")),
        rules=frozenset(
            f"{family}{rule}"
            for family, rules in (
                ("", _rules("iptables-save")),
                ("IPv6: ", _rules("ip6tables-save")),
                ("", nft_rules(_lines("nft", "--stateless", "list", "ruleset"))),
            )
            for rule in rules
            if not is_frame(rule)
        ),
        files=frozenset(str(path) for path in run.rglob("*") if path.is_file() and path.parent != run),
        cni=frozenset(str(path) for folder in CNI for path in folder.rglob("*") if path.suffix != ".lock"),
        kubeconfig=frozenset([_kubeconfig(Path(environment.get("HOME") or Path.home()) / ".kube/config")]),
        processes=frozenset(f"{name} {process}" for process, name in _processes(PROCESSES)),
    )


@dataclass(frozen=True, kw_only=True)
class Trail:
    """What a lab's live files say that it has begun; to be read before they go."""

    cluster: str
    run: Path
    engine: str
    """That of its cluster; empty: none was begun, and what has the cluster's name is somebody else's."""
    engines: frozenset[str]
    """All that have anything of it."""
    volumes: frozenset[str]
    """The nodes'."""
    bridges: frozenset[str]


def trail(run: Path, cluster: str) -> Trail:
    known = frozenset(ENGINES)
    records = {
        kind: [words for path in run.glob(f"{kind}/*") if len(words := _words(path)) == 2]
        for kind in ("networks", "peers", "servers")
    }
    engine = " ".join(_words(run / "engine"))
    return Trail(
        cluster=cluster,
        run=run,
        engine=engine if engine in known else "",
        engines=frozenset([engine, *(words[0] for each in records.values() for words in each)]) & known,
        volumes=frozenset(volume for path in run.glob("volumes/*") for volume in _words(path)),
        bridges=frozenset(bridge for _, bridge in records["networks"]),
    )


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []


PATIENCE = 3
"""Seconds that what ends by itself has to end in: a container that goes with its process, an orphaned `kind`."""
GLANCE = 1
"""Seconds for an engine to answer in that no live file names. One that does not is not looked into."""
NODE_LABEL = "io.x-k8s.kind.cluster"
"""On each node, with the cluster's name (kind sets it)."""


def residue(trail: Trail) -> list[str]:
    """What is still there of a lab that was taken down, a line each; nothing of any other lab or of the user's.

    Its containers and networks tell by their labels; the rest by its name, and only what `trail` says was its own.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        found, silent = _look(trail)
        left = found.added_to(Snapshot())
        if not (left or silent) or time.monotonic() >= deadline:
            return left + [f"{engine} does not answer: what it has of the lab is not known" for engine in silent]
        time.sleep(0.2)


def _look(trail: Trail) -> tuple[Snapshot, list[str]]:
    """What is there of the lab, and which of its engines do not answer."""
    on_path = sorted(trail.engines) or list(ENGINES)
    questions = [(engine, *question) for engine in on_path for question in _questions(trail, engine)]
    seconds = TIMEOUT if trail.engines else GLANCE
    # All at once: each is a client's start and little more.
    with ThreadPoolExecutor(len(questions)) as pool:
        answers = list(pool.map(lambda question: _answer(seconds, question[0], *question[2]), questions))
    found: dict[str, set[str]] = {"containers": set(), "networks": set(), "volumes": set()}
    for (engine, kind, _, own), answer in zip(questions, answers, strict=True):
        found[kind] |= {f"{engine} {name}" for name in answer or () if own is None or name in own}
    silent = {engine for (engine, *_), answer in zip(questions, answers, strict=True) if answer is None}
    return (
        Snapshot(
            **{kind: frozenset(names) for kind, names in found.items()},
            links=_links() & trail.bridges if trail.bridges else frozenset(),
            processes=frozenset(
                f"{name} {process}" for process, name in _processes(("kind",)) if _is_of(process, trail.run)
            ),
        ),
        sorted(silent & trail.engines),
    )


def _questions(trail: Trail, engine: str) -> Iterator[tuple[str, tuple[str, ...], frozenset[str] | None]]:
    """Kind of thing, the words that list its names, and those that are the lab's; None: all that are listed."""
    of_lab = ("--filter", f"label={LAB_LABEL}={trail.cluster}")
    yield "containers", ("ps", "--all", *of_lab, "--format", "{{.Names}}"), None
    yield "networks", ("network", "ls", *of_lab, "--format", "{{.Name}}"), None
    if engine == trail.engine:
        of_kind = ("--filter", f"label={NODE_LABEL}={trail.cluster}")
        yield "containers", ("ps", "--all", *of_kind, "--format", "{{.Names}}"), None
        yield "networks", ("network", "ls", "--format", "{{.Name}}"), frozenset([trail.cluster])
        if trail.volumes:
            yield "volumes", ("volume", "ls", "--format", "{{.Name}}"), trail.volumes


def _is_of(process: int, run: Path) -> bool:
    """Whether a script of the lab with these live files has started the process."""
    try:
        return f"RUN={run}".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return False


def _rules(tool: str) -> list[str]:
    """Packet filter rules without their counters."""
    rules = [line for line in _lines(tool) if line.startswith(("-A", ":"))]
    return [line.split(" [")[0] for line in rules]


OF_A_NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]:[0-9a-f:]*/\d|NETAVARK-[0-9A-F]{6,}")


def is_frame(rule: str) -> bool:
    """Whether a rule is there from an engine's first container on, whatever is left of its networks.

    That is podman's chains, the jumps into them and what they do with marks; what belongs to a network has its subnet
    or a chain that is numbered. The policy of a table that nothing had asked for before is none of the lab's either.
    """
    if rule.startswith(":") and rule.endswith(" ACCEPT"):
        return True
    return "NETAVARK" in rule and not OF_A_NETWORK.search(rule)


def nft_rules(lines: Iterable[str]) -> list[str]:
    """Rules and sets with what they are in, out of the lines of an nft ruleset: `table ip nat, chain c: drop`.

    A table or chain without any is none: engines keep theirs.
    """
    found = []
    inside: list[str] = []
    for line in map(str.strip, lines):
        if line.endswith("{"):
            inside.append(line.removesuffix("{").strip())
        elif line == "}":
            inside.pop()
        elif line and not line.startswith(("#", "policy ")) and " hook " not in line:
            found.append(f"{', '.join(inside)}: {line}")
    return found


def _kubeconfig(path: Path) -> str:
    """The user's kubeconfig: whether there is one, which context is current, and a checksum of all of it."""
    try:
        content = path.read_bytes()
    except OSError:
        return f"{path} is not there"
    try:
        context = yaml.safe_load(content)["current-context"]
    except (yaml.YAMLError, LookupError, TypeError):
        context = None
    return f"{path} with current-context {context} and sha256 {hashlib.sha256(content).hexdigest()[:12]}"


def _links() -> frozenset[str]:
    return frozenset(line.split(":")[1].split("@")[0].strip() for line in _lines("ip", "-oneline", "link", "show"))


def _processes(names: tuple[str, ...]) -> list[tuple[int, str]]:
    """Id and name of each process whose name begins as one of these."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = stat.read_text().strip()
        except OSError:
            continue
        if name.startswith(names):
            found.append((int(stat.parent.name), name))
    return found


def _answer(seconds: float, *words: str) -> list[str] | None:
    """The lines that a program answers with; None where it cannot be run, fails, or takes longer."""
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if ended.returncode else ended.stdout.splitlines()


def _lines(*words: str) -> list[str]:
    try:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return ended.stdout.splitlines()
