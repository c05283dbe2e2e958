"""The self-test at the end of `up`: what the pods' networks are for, proven by packets."""

import atexit
import itertools
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts
from components.checks.judge import Result
from components.checks.plan import plan, to_json
from components.config import ROOT
from components.drift import Drift
from components.network_joins import NetworkJoins
from components.pods import Pods
from components.readiness import Readiness
from components.settings import LabSettings
from components.workers import Workers
from components.workspace import Workspace, claim

ALREADY_SAID = 32
"""The status by which Pulumi knows that a Python program has itself told what is wrong."""


@dataclass(frozen=True, kw_only=True)
class SelfTestArgs:
    settings: LabSettings
    workspace: Workspace
    workers: Workers
    pods: Pods
    readiness: Readiness
    peers: Mapping[str, local.Command]
    joins: NetworkJoins
    leases: Mapping[str, Sequence[pulumi.Resource]]
    drift: Drift


class SelfTest(pulumi.ComponentResource):
    """Made again when a pod or a node is another, and as long as it has not passed. Where the user does not want it,
    or no pod is on a network, its plan alone is kept, for `make check`."""

    results: pulumi.Output[dict[str, Any]] | None = None
    """How many `passed` and `failed`, and the `checks`, each as a `Result`; None where nobody was asked."""

    def __init__(self, name: str, args: SelfTestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:SelfTest", name, None, opts)
        lines = [to_json(plan(args.settings))]
        if not args.settings.self_test or not any(pod.networks for pod in args.settings.pods):
            scripts.run(
                f"{name}-plan",
                create="check-plan",
                environment=args.workspace.environment,
                lines=lines,
                triggers=[args.workers.id],  # the live files go with a cluster
                opts=pulumi.ResourceOptions(parent=self, depends_on=[args.readiness.report]),
            )
            self.register_outputs({})
            return
        asked = scripts.run(
            f"{name}-checks",
            create="check-lab",
            environment=args.workspace.environment | {"PYTHON": sys.executable, "PROGRAM": str(ROOT)},
            because=args.drift.self_test,
            lines=lines,
            triggers=[
                args.workers.started,
                *args.pods.uids,
                *(peer.id for peer in args.peers.values()),
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                # What no pod waits for is asked, too: a network may have none.
                depends_on=[
                    args.readiness.report,
                    args.pods,
                    *args.peers.values(),
                    *(join for joins in args.joins.made.values() for join in joins.values()),
                    *itertools.chain.from_iterable(args.leases.values()),
                ],
            ),
        )
        self.results = asked.stdout.apply(json.loads)
        self.results.apply(partial(end_with, args.workspace.run))
        self.register_outputs({"results": self.results})


def prove(name: str, args: SelfTestArgs) -> None:
    """The self-test, or its plan; with its output `self_test` where it was asked."""
    results = SelfTest(name, args).results
    if results is not None:
        pulumi.export("self_test", results)


def end_with(run: Path, results: Mapping[str, Any]) -> None:
    """Have this update fail at its end where a check did.

    At its very end: an error that is raised earlier takes the stack's outputs with it, and one that is only logged
    leaves `pulumi up` successful.
    """
    if failed := failures(results):
        pulumi.log.error("\n".join(["the self-test failed:", *failed]))
        if not pulumi.runtime.is_dry_run():
            atexit.register(end, run, pulumi.get_stack())


def end(run: Path, stack: str) -> None:
    """Nothing else that waits for the program's end comes to its turn: the lab is said to be this stack's here, too."""
    try:
        claim(run, stack)
    finally:
        os._exit(ALREADY_SAID)


def failures(results: Mapping[str, Any]) -> list[str]:
    """The lines of the checks that failed."""
    found = [Result(**each) for each in results["checks"]]
    return [str(each) for each in found if each.ok is False]
