"""What a lab leaves on a machine when a run was killed: found, removed with the lab's own scripts, and proven gone."""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from components.engines import ENGINES, Standing, ask
from components.scripts import BASH, script
from components.workspace import cache_folder


def run_folder(environment: Mapping[str, str], cluster: str) -> Path:
    return cache_folder(dict(environment)) / "run" / cluster


def sweep(run: Path, cluster: str) -> list[str]:
    """Remove what the folder of live files says a run has begun; the lines say what could not be removed."""
    problems = []
    servers, peers, networks = run / "servers", run / "peers", run / "networks"
    # What is on the networks before these.
    for folder, remover, thing, more in (
        (servers, "peer-delete", "PEER", {"ROLE": "server"}),
        (peers, "peer-delete", "PEER", {}),
        (networks, "network-delete", "BRIDGE", {}),
    ):
        for record in sorted(folder.iterdir()) if folder.is_dir() else []:
            match record.read_text().split():
                case [engine, name]:
                    problems += _delete(remover, run, cluster, engine, {"NETWORK": record.name, thing: name} | more)
                case []:  # Cut off in the writing, which comes before the first step: there is nothing of it.
                    record.unlink()
    if (run / "engine").exists():
        if engine := (run / "engine").read_text().strip():
            problems += _delete("kind-delete", run, cluster, engine, {})
        else:
            (run / "engine").unlink()
    if run.is_dir():
        (run / "lock").unlink(missing_ok=True)
        # Why each thing was made, and what to check: nothing by itself, and no proof that the thing was ever there.
        own = ("because/cluster", "because/self-test", "checks.json")
        reasons = [*(path for name in own for path in run.glob(name)), *run.glob("because/network.*")]
        left = [path for path in run.rglob("*") if path.is_file() and path not in reasons]
        problems += [str(path) for path in left]
        if not left:
            for reason in reasons:
                reason.unlink()
            for folder in (servers, peers, networks, run / "because", run):
                if folder.is_dir():
                    folder.rmdir()
    return problems


def _delete(name: str, run: Path, cluster: str, engine: str, values: Mapping[str, str]) -> list[str]:
    print(f"clearing up after an earlier run: {' '.join([name, *values.values()])}", flush=True)
    environment = {**os.environ, "ENGINE": engine, "CLUSTER": cluster, "RUN": str(run), **values}
    ended = subprocess.run([*BASH, script(name)], env=environment, capture_output=True, text=True, check=False)
    return [f"{name} on {engine}: {ended.stderr.strip()}"] if ended.returncode else []


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is on the machine, by kind of thing; taken before and after a lab, the two should be equal."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    links: frozenset[str]
    namespaces: frozenset[str]
    rules: frozenset[str]
    files: frozenset[str]
    cni: frozenset[str]
    """Plugins and configs on the machine itself; the lab's are in its nodes."""
    kubeconfig: frozenset[str]
    """The user's own: what it is, since nothing of it may change."""
    processes: frozenset[str]

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
    engines = [engine.command for engine in ENGINES.values() if ask(engine).standing is not Standing.SILENT]

    def lines(*words: str) -> frozenset[str]:
        return frozenset(f"{engine} {line}" for engine in engines for line in _lines(engine, *words))

    run = cache_folder(dict(environment)) / "run"
    return Snapshot(
        containers=lines("ps", "--all", "--format", "{{.Names}}"),
        networks=lines("network", "ls", "--format", "{{.Name}}"),
        volumes=lines("volume", "ls", "--format", "{{.Name}}"),
        links=frozenset(line.split(":")[1].split("@")[0].strip() for line in _lines("ip", "-oneline", "link", "show")),
        namespaces=frozenset(line.split()[0] for line in _lines("ip", "netns", "list")),
        rules=frozenset(
            rule
            for rule in (*_rules(), *nft_rules(_lines("nft", "--stateless", "list", "ruleset")))
            if not is_frame(rule)
        ),
        files=frozenset(str(path) for path in run.rglob("*") if path.is_file() and path.parent != run),
        cni=frozenset(str(path) for folder in CNI for path in folder.rglob("*") if path.suffix != ".lock"),
        kubeconfig=frozenset([_kubeconfig(Path(environment.get("HOME") or Path.home()) / ".kube/config")]),
        processes=frozenset(_processes()),
    )


def _rules() -> list[str]:
    """Packet filter rules without their counters."""
    rules = [line for line in _lines("iptables-save") if line.startswith(("-A", ":"))]
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


def _processes() -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = stat.read_text().strip()
        except OSError:
            continue
        if name.startswith(PROCESSES):
            found.append(f"{name} {stat.parent.name}")
    return found


def _lines(*words: str) -> list[str]:
    try:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return ended.stdout.splitlines()
