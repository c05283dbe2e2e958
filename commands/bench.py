"""`make bench`: the seed's shell steps and `pulumi up`, by turns on the same images, and where time goes.

How long Calico's probes take is luck, up to half a minute of it: both run several times, and each figure is the median.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from commands.leftovers import removed_by
from commands.own_lab import found_engine, own_config, own_stack
from commands.stack import Stack, interrupt_put_off
from components import upstream
from components.attachments import nad_config
from components.calico import installation
from components.config import settings_of
from components.engines import ENGINES
from components.kind_cluster import kind_config
from components.macvlan_networks import bridge_name
from components.multus import daemonset_documents
from components.pods import pod_document
from components.scripts import BASH
from components.settings import LabSettings, NetworkSettings
from components.settings.blocks import EVERYWHERE
from components.settings.routes import DefaultRoute, Route
from components.workspace import Workspace, cache_folder

SEED, OURS = "kalico-bench-seed", "kalico-bench"
OWN = {"ext-net": "bench-net", "10.23.": "10.43."}
"""What the bench calls what the default lab has, which may be running on the same machine."""
LAYERS = {
    "cluster": r"command:local:Command cluster-kind created",
    "worker": r"command:local:Command workers-\S+-running created",
    "CNI plugins": r"command:local:Command cni-plugins-\S+-worker created",
    "network and NAD": r"NetworkAttachmentDefinition attachments-\S+ created",
    "Calico's operator": r"Deployment calico-tigera-operator created",
    "Multus": r"DaemonSet multus-kube-multus-ds created",
    "nodes attachable": r"command:local:Command pods-attachable created",
    "net1": r"core/v1:Pod pods-samplepod created",
    "Installation": r"Installation calico-default created",
    "all Ready": r"command:local:Command readiness-report created",
}
"""What `up` prints when a layer is there."""
TURNS = 5


def main(words: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=3, metavar="N", help="1 to 20 of both")
    parser.add_argument("--quick", action="store_true", help="`up` with quickReadiness; the seed's steps have no such")
    asked = parser.parse_args(words)
    config = own_config(OURS, OWN) | {"engine": found_engine()}
    settings = settings_of(config)
    if asked.quick:
        config["quickReadiness"] = True
    seed: list[dict[str, float]] = []
    ours: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for left in reversed(range(asked.rounds)):
            seed.append(seed_steps(settings, Path(folder)))
            stack = own_stack("bench", Path(folder), config)
            try:
                ours.append(up(stack))
                previews = None if left else by_turns(stack, Path(folder))
            finally:
                failed = stack.end()
            if failed:
                break
    print(report(settings, seed, ours, previews))
    if failed:
        sys.exit("the bench's own lab is not gone")
    return 0


def seed_steps(settings: LabSettings, folder: Path) -> dict[str, float]:
    """Seconds from the start to the end of each of the seed's steps; its lab is gone afterwards."""
    workspace = Workspace(engine=ENGINES[settings.engine], cluster_name=SEED, cache=cache_folder(dict(os.environ)))
    (network,) = settings.networks
    plain = {"metadata": {"name": "default"}}
    files: dict[str, Any] = {
        "KIND_CONFIG": [seeds_cluster(settings)],
        "INSTALLATION": [installation(settings) | plain],
        "MULTUS": daemonset_documents(
            upstream.documents(settings.multus_manifest, workspace.cache), settings.multus_image
        ),
        "NAD": [
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": network.name},
                "spec": {"config": nad_config(seeds(network), "eth1")},
            }
        ],
        "POD": [pod_document(settings.pods[0])],
    }
    for name, documents in files.items():
        Path(folder, name).write_text(yaml.safe_dump_all(documents))
    environment = workspace.environment | {
        **{name: str(folder / name) for name in files},
        "OPERATOR": str(upstream.fetch(settings.calico_manifest, workspace.cache)),
        "ARCHIVE": str(upstream.fetch(settings.cni_plugins, workspace.cache)),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "NETWORK": network.name,
        "NETWORK_WORDS": "\n".join([*workspace.engine.network_words(network), "--label", f"kalico={SEED}"]),
        "BRIDGE": bridge_name(SEED, network.name),
        "WORKER": f"{SEED}-worker",
    }
    print("the seed's steps:", flush=True)
    try:
        return dict(timed_lines([*BASH, Path(__file__).with_name("seed-steps.sh").read_text()], environment))
    finally:
        left = [line for name in ("network-delete", "kind-delete") for line in removed_by(name, environment)]
        if left:
            sys.exit("\n".join(["the seed's lab is not gone:", *left]))


def seeds_cluster(settings: LabSettings) -> dict[str, Any]:
    """The cluster with its workers, which kind makes with it in the seed's steps."""
    config = kind_config(settings)
    workers = [{"role": "worker", "image": settings.node_image}] * settings.workers
    return config | {"nodes": [*config["nodes"], *workers]}


def seeds(network: NetworkSettings) -> NetworkSettings:
    """The network with the default route of the seed's NAD: in its steps nobody puts kalico-routes into the nodes."""
    return replace(network, default_route=DefaultRoute.LITERAL, routes=(Route(dst=EVERYWHERE[4]),))


def timed_lines(words: list[str], environment: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """The steps that a script reports, shown as they come."""
    with subprocess.Popen(words, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            name, seconds = line.rstrip().split("\t")
            print(f"  {float(seconds):6.1f} s  {name}", flush=True)
            yield name, float(seconds)
    if running.returncode:
        sys.exit(f"the seed's steps failed with {running.returncode}")


def up(stack: Stack) -> dict[str, float]:
    """Seconds from the start of `pulumi up` to each layer, and to its end, the self-test's."""
    stack.select()
    print("pulumi up:", flush=True)
    start = time.monotonic()
    found: dict[str, float] = {}
    last: list[str] = []
    with interrupt_put_off(), stack.started_up(stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            last = [*last[-40:], line]
            for name, pattern in LAYERS.items():
                if name not in found and re.search(pattern, line):
                    found[name] = time.monotonic() - start
                    print(f"  {found[name]:6.1f} s  {name}", flush=True)
    if process.returncode:
        sys.exit(f"pulumi up failed with {process.returncode}\n{''.join(last)}")
    found["self-test"] = time.monotonic() - start
    print(f"  {found['self-test']:6.1f} s  self-test", flush=True)
    return found


def seconds_of(word: str, stack: Stack) -> float:
    start = time.monotonic()
    ended = stack.pulumi(word, quiet=True)
    if ended.returncode:
        sys.exit(ended.stderr or ended.stdout)
    return time.monotonic() - start


def by_turns(stack: Stack, folder: Path) -> tuple[float, float]:
    """The least seconds of a preview without changes, and of one of a program without resources by the same command.

    By turns, beside the same running lab: that takes its part of a small machine, at first more than later.
    """
    program = folder / "empty"
    program.mkdir()
    (program / "Pulumi.yaml").write_text(json.dumps({"name": "kalico-bench-empty", "runtime": "python"}))
    (program / "__main__.py").write_text("import pulumi\n")
    empty = Stack(name="bench", folder=program)
    empty.select()
    try:
        turns = [(seconds_of("preview", stack), seconds_of("preview", empty)) for _ in range(TURNS)]
    finally:
        empty.remove()
    ours, theirs = zip(*turns, strict=True)
    return min(ours), min(theirs)


def report(
    settings: LabSettings,
    seed: Sequence[Mapping[str, float]],
    ours: Sequence[Mapping[str, float]],
    previews: tuple[float, float] | None,
) -> str:
    """`previews`: the lab's and the empty program's; None where the rounds ended before."""

    def row(name: str) -> str:
        left, right = columns[0].get(name), columns[1].get(name)
        ratio = f"{right.middle / left.middle:.2f}" if left and right and name in ("net1", "all Ready") else ""
        return f"| {name} | {left or ''} | {right or ''} | {ratio} |"

    columns = [figures(rounds) for rounds in (seed, ours)]
    all_figures = columns[0] | columns[1]
    lines = [
        "",
        f"on {settings.engine}, {settings.workers} worker, {settings.node_image}; seconds since the start"
        + (f", the median of {len(seed)} (least to most)" if len(seed) > 1 else ""),
        "",
        "| until | seed's steps | pulumi up | ratio |",
        "|---|---|---|---|",
        *(row(name) for name in sorted(all_figures, key=lambda name: all_figures[name].middle)),
    ]
    if previews:
        preview, empty = previews
        lines += ["", f"no-op preview {preview:.1f} s, of an empty program {empty:.1f} s: {preview / empty:.1f} x"]
    return "\n".join(lines)


@dataclass(frozen=True)
class Figure:
    """The seconds that one thing took in each round."""

    seconds: tuple[float, ...]

    @property
    def middle(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        spread = f" ({min(self.seconds):.1f} to {max(self.seconds):.1f})" if len(self.seconds) > 1 else ""
        return f"{self.middle:.1f} s{spread}"


def figures(rounds: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: Figure(tuple(each[name] for each in rounds if name in each)) for name in names}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
