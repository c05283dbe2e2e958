"""One real lab for all live tests, beside whatever else runs: a stack, a cluster and subnets of its own."""

import contextlib
import hashlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.leftovers import Snapshot, run_folder, snapshot, sweep
from commands.own_lab import found_engine
from commands.stack import Stack
from components.settings import Source
from components.upstream import fetch
from components.workspace import cache_folder
from supply import docker_server
from supply.store import cache_root

CLUSTER = "kalico-e2e"
WORKER = f"{CLUSTER}-worker"
WORKER2 = f"{CLUSTER}-worker2"
JOIN = f"joins-e2e-net-{WORKER}"
PEER = f"{CLUSTER}-peer-e2e-net"
SUBNET = ipaddress.IPv4Network("10.33.0.0/16")
RANGE = (ipaddress.IPv4Address("10.33.0.100"), ipaddress.IPv4Address("10.33.0.240"))
ORDER = (
    "test_lab",
    "test_self_test",
    "test_two_labs",
    "test_drift",
    "test_changes",
    "test_ipam",
    "test_rows",
    "test_layers_that_go",
    "test_cluster_changes",
    "test_down",
)
"""One lab goes through all of them."""

os.environ["PULUMI_DEBUG_COMMANDS"] = "true"  # with it Pulumi has `--event-log`
os.environ["KUBECACHEDIR"] = str(cache_folder(dict(os.environ)) / "kubectl")  # not in the user's own ~/.kube

ENDS_AT_ONCE = ["/bin/ash", "-c", "trap : TERM INT; sleep infinity & wait"]
"""The command of the seed's pod, which does not wait to be killed."""

TESTED = {"self-test-checks"}
"""What is made again with every pod."""

CONFIG: dict[str, Any] = {
    "pulumi:disable-default-providers": ["kubernetes"],
    "kalico:clusterName": CLUSTER,
    "kalico:podSubnet": "10.34.0.0/16",
    "kalico:networks": [
        {
            "name": "e2e-net",
            "subnet": "10.33.0.0/16",
            "gateway": "10.33.0.1",
            "peer": True,
            "ipam": {
                "type": "host-local",
                "rangeStart": "10.33.0.100",
                "rangeEnd": "10.33.0.240",
            },
        }
    ],
    "kalico:pods": [
        {
            "name": "samplepod",
            "image": "alpine",
            "command": ENDS_AT_ONCE,
            "networks": ["e2e-net"],
        }
    ],
}


@dataclass(frozen=True, kw_only=True)
class Lab:
    stack: Stack
    engine: str
    kubeconfig: Path
    before: Snapshot

    def kubectl(self, *words: str) -> str:
        return run("kubectl", "--kubeconfig", str(self.kubeconfig), *words)

    def in_node(self, *words: str) -> str:
        return run(self.engine, "exec", WORKER, *words)

    def pod(self, name: str = "samplepod") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "pod", name, "--output", "json"))
        return found

    def interface(self) -> str:
        """The worker's on the network: docker gives one that joins again the next number."""
        networks = {network["name"]: network for network in self.stack.outputs()["networks"]}
        found = {node["name"]: node["interface"] for node in networks["e2e-net"]["nodes"]}
        return str(found[WORKER])

    def net1(self, pod: str = "samplepod") -> str:
        """The address that the pod itself has on net1."""
        shown = self.kubectl("exec", pod, "--", "ip", "address", "show", "dev", "net1")
        (address,) = [line.split()[1].split("/")[0] for line in shown.splitlines() if line.strip().startswith("inet ")]
        return address


def check_routes(lab: Lab) -> None:
    """The worker's own way out is the cluster's network; its address on the L2, if any, is none of the pods'."""
    (default,) = lab.in_node("ip", "-4", "route", "show", "default").splitlines()
    assert " dev eth0" in default
    shown = lab.in_node("ip", "-4", "-oneline", "address", "show", "dev", lab.interface())
    for line in shown.splitlines():
        address = ipaddress.IPv4Interface(line.split()[3]).ip
        assert not RANGE[0] <= address <= RANGE[1]
        assert address != ipaddress.IPv4Address("10.33.0.1")


def steps(stack: Stack, command: str, *words: str) -> set[tuple[str, str]]:
    """What a `preview` says or an `up` does: (operation, name) of each resource that does not stay as it is."""
    with tempfile.NamedTemporaryFile() as log:
        ended = stack.pulumi(command, *words, "--event-log", log.name, quiet=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        events = [json.loads(line) for line in Path(log.name).read_text().splitlines()]
    found = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    return {(each["op"], each["urn"].rsplit("::", 1)[1]) for each in found if each["op"] != "same"}


def previewed_and_done(stack: Stack) -> set[str]:
    """The names of what `up` touched: what the preview said, step for step.

    What it left to do is in what the next one touches, and see `settled`.
    """
    said = steps(stack, "preview")
    assert steps(stack, "up", "--yes", "--skip-preview") == said
    return {name for _, name in said}


@pytest.fixture(scope="module", autouse=True)
def settled(request: pytest.FixtureRequest) -> Iterator[None]:
    """After the changes of a file nothing is left to do."""
    changing = request.module.__name__.rsplit(".", 1)[-1] in ORDER[1:-1]
    lab = request.getfixturevalue("lab") if changing else None
    yield
    if lab:
        assert steps(lab.stack, "preview") == set()


@pytest.fixture(scope="session")
def config(lab: Lab) -> dict[str, Any]:
    """The config of the lab, which tests change one after the other."""
    assert lab.stack.config_file
    found: dict[str, Any] = yaml.safe_load(lab.stack.config_file.read_text())["config"]
    return found


def configure(lab: Lab, config: dict[str, Any]) -> None:
    """Say it, and do nothing yet."""
    assert lab.stack.config_file
    lab.stack.config_file.write_text(yaml.safe_dump({"config": config}))


def changed(lab: Lab, config: dict[str, Any]) -> set[str]:
    """The names of what `up` touches after the change."""
    configure(lab, config)
    return previewed_and_done(lab.stack)


def stays(lab: Lab, *pods: str) -> Callable[[], bool]:
    """Whether these pods are still the same containers."""

    def containers() -> list[str]:
        return [lab.pod(pod)["status"]["containerStatuses"][0]["containerID"] for pod in pods]

    before = containers()
    return lambda: containers() == before


def published(source: Source) -> Path:
    """The file that the lab takes for it."""
    return fetch(source, cache_folder(dict(os.environ)))


def of_ones_own(file: Path) -> dict[str, str]:
    """As config names it."""
    return {"source": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def with_labelled_role(source: Source, role: str, folder: Path) -> dict[str, str]:
    """A copy of an upstream manifest that differs in one ClusterRole's label, as config names it."""
    documents = [each for each in yaml.safe_load_all(published(source).read_text()) if each]
    (found,) = [each for each in documents if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", role)]
    found["metadata"]["labels"] = {"e2e": "own"}
    file = folder / f"{role}.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return of_ones_own(file)


def label(lab: Lab, role: str) -> str:
    return lab.kubectl("get", "clusterrole", role, "--output", "jsonpath={.metadata.labels.e2e}")


@contextmanager
def named_otherwise(engine: str, image: str) -> Iterator[str]:
    """Another name of an image that is there."""
    name = "localhost/kalico-e2e:own"
    run(engine, "tag", image, name)
    try:
        yield name
    finally:
        run(engine, "rmi", "--force", name)


def engine_restarted(lab: Lab) -> None:
    """The server of docker, where it is the supply's; else what the restart of one leaves: no container that runs."""
    cache = cache_root()
    if os.environ.get("DOCKER_HOST") == docker_server.places(cache).url and lab.engine == "docker":
        for command in ("docker-stop", "docker-start"):
            run(sys.executable, "-m", "supply", command)
        return
    names = run(lab.engine, "ps", "--format", "{{.Names}}").split()
    run(lab.engine, "kill", *(name for name in names if name.startswith(CLUSTER)))


def attachments(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.stack.outputs()["attachments"]
    return found


def allocations(lab: Lab) -> set[str]:
    """The pods that have an address of whereabouts."""
    pools = json.loads(lab.kubectl("get", "ippools.whereabouts.cni.cncf.io", "--all-namespaces", "--output", "json"))
    return {lease["podref"] for pool in pools["items"] for lease in pool["spec"].get("allocations", {}).values()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Of drift."""

    happens: Callable[[Lab], object]
    repaired: set[str]
    """What is made again, and nothing else."""


def run(*words: str) -> str:
    """The stdout of a command; when it fails, the test shows what it said."""
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, f"{' '.join(words)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def eventually(holds: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until `holds`; it may fail on the way there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except (AssertionError, LookupError, ValueError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    engine = found_engine()
    config_file = tmp_path_factory.mktemp("e2e") / f"Pulumi.e2e-{engine}.yaml"
    config_file.write_text(yaml.safe_dump({"config": CONFIG | {"kalico:engine": engine}}))
    return Stack(name=f"e2e-{engine}", config_file=config_file)


def nothing_added_to(before: Snapshot) -> bool:
    assert snapshot(os.environ).added_to(before) == []
    return True


def killed_up(stack: Stack, when: str, *, with_scripts: str = "") -> None:
    """An `up` whose whole process group is killed 5 s after it has said `when`.

    `with_scripts`: and all that have this in their environment (NAME=VALUE), so that no script undoes what it did.
    """
    stack.select()
    with stack.started_up(stdout=subprocess.PIPE, start_new_session=True) as up:
        assert any(when in line for line in up.stdout or ()), f"up ended before it said {when!r}"
        time.sleep(5)
        for process in running_with(with_scripts) if with_scripts else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os.killpg(up.pid, signal.SIGKILL)


def running_with(variable: str) -> list[int]:
    """The processes of the machine that have it (NAME=VALUE) in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found


@pytest.fixture(scope="session")
def before(stack: Stack) -> Snapshot:
    """The machine before any lab; whatever an earlier run left of it goes first."""
    sweep(run_folder(os.environ, CLUSTER), CLUSTER)  # on another engine it was another stack's
    assert stack.down() == 0
    return snapshot(os.environ)


@pytest.fixture(scope="session")
def lab(stack: Stack, before: Snapshot) -> Iterator[Lab]:
    """The lab, up, after an `up` that was killed with its cluster there; it goes in the end."""
    lab = Lab(
        stack=stack, engine=engine_of(stack), kubeconfig=run_folder(os.environ, CLUSTER) / "kubeconfig", before=before
    )
    try:
        killed_up(stack, "cluster-kind created")
        assert stack.up() == 0
        yield lab
    except BaseException:
        print(diagnosis(stack))
        raise
    finally:
        stack.end()


def engine_of(stack: Stack) -> str:
    return stack.name.removeprefix("e2e-")


def diagnosis(stack: Stack) -> str:
    """What the lab looks like now, from the engine and from the cluster, each question with its answer."""
    engine, kubeconfig = engine_of(stack), run_folder(os.environ, CLUSTER) / "kubeconfig"
    kubectl = ["kubectl", "--kubeconfig", str(kubeconfig), "--request-timeout=10s"]
    questions = [
        [engine, "ps", "--all"],
        [engine, "network", "ls"],
        [*kubectl, "get", "pods,nodes", "--all-namespaces", "--output", "wide"],
        [*kubectl, "get", "tigerastatus"],
        [*kubectl, "get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"],
        [*kubectl, "logs", "--namespace=kube-system", "--selector=name=multus", "--prefix", "--tail=60"],
    ]
    answers = []
    for words in questions:
        try:
            asked = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
            answers.append(f"$ {' '.join(words)}\n{asked.stdout}{asked.stderr}")
        except (OSError, subprocess.TimeoutExpired) as error:
            answers.append(f"$ {' '.join(words)}\n{error}\n")
    return "\n".join(answers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A live test that fails shows the lab as it is then: the next test or the end changes it."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and isinstance(stack, Stack):
        report.sections.append(("the lab after the failure", diagnosis(stack)))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All files in the order of the one lab that goes through them."""
    names = [f"tests.live.{name}" for name in ORDER]
    items.sort(key=lambda item: names.index(module) if (module := item.module.__name__) in names else -1)  # type: ignore[attr-defined]
