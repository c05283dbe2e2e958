"""Where a lab lives, what its scripts are told, and which engine it is on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.engines import ENGINES
from components.settings import ConfigError, LabSettings
from components.settings.machine import FEATURES
from components.workspace import Workspace, cache_folder, find_workspace, with_machines
from tests.lab_config import lab, network

Networks = Sequence[Mapping[str, Any]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user's own on a machine without any engine."""
    monkeypatch.setenv("KALICO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("components.upstream.have", lambda manifests, archive, cache: None)
    return tmp_path


def made(
    cache: Path,
    engine: str,
    parents: Mapping[str, str],
    cluster: str = "kalico",
    subnet: str = "10.23.0.0/16",
    cluster_subnets: str | None = None,
    mode: str | None = None,
) -> None:
    """A lab's records: its engine, and the links of its networks by name. None: a line that older checkouts left out"""
    because = cache / "run" / cluster / "because"
    because.mkdir(parents=True)
    (because.parent / "engine").write_text(f"{engine}\n")
    for name, parent in parents.items():
        (because / f"network.{name}").write_text(f"\n{parent}\n{subnet}\n" + (f"{mode}\n" if mode else ""))
    (because / "cluster").write_text("\n" + (f"\n{cluster_subnets}\n" if cluster_subnets else ""))


def podman(cache: Path, networks: Networks = ()) -> None:
    """A podman that can be used, has these networks, and keeps the questions."""
    listed = "\n".join(each["name"] for each in networks)
    (cache / "bin").mkdir()
    (cache / "bin/podman").write_text(
        f"""#!/bin/sh
echo "$1 $2" >>{cache}/asked
case "$1 $2" in
  info*) echo false ;;
  "network ls") echo '{listed}' ;;
  "network inspect") echo '{json.dumps(networks)}' ;;
esac
"""
    )
    (cache / "bin/podman").chmod(0o755)


def asked(cache: Path) -> list[str]:
    return (cache / "asked").read_text().splitlines()


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"KALICO_CACHE": "/srv/kalico", "XDG_CACHE_HOME": "/srv/cache"}, Path("/srv/kalico")),
        ({"XDG_CACHE_HOME": "/srv/cache"}, Path("/srv/cache/kalico")),
        ({"XDG_CACHE_HOME": "", "KALICO_CACHE": ""}, Path.home() / ".cache/kalico"),
        ({}, Path.home() / ".cache/kalico"),
    ],
    ids=["chosen", "xdg", "empty", "home"],
)
def test_the_cache_is_where_the_user_wants_caches(environment: dict[str, str], folder: Path) -> None:
    assert cache_folder(environment) == folder


def test_the_live_files_of_each_lab_lie_apart_in_the_cache() -> None:
    workspace = Workspace(engine=ENGINES["podman"], cluster_name="lab", cache=Path("/srv/kalico"))
    assert workspace.run == Path("/srv/kalico/run/lab")
    assert workspace.kubeconfig == Path("/srv/kalico/run/lab/kubeconfig")
    assert workspace.environment == {
        "ENGINE": "podman",
        "CLUSTER": "lab",
        "RUN": "/srv/kalico/run/lab",
        "KUBECACHEDIR": "/srv/kalico/kubectl",
    }


@pytest.mark.parametrize("name", ENGINES)
def test_auto_stays_with_the_engine_that_the_labs_record_names(cache: Path, name: str) -> None:
    made(cache, name, {"ext-net": ""})
    assert find_workspace(lab()) == Workspace(engine=ENGINES[name], cluster_name="kalico", cache=cache)


def test_the_record_of_another_lab_is_not_this_ones(cache: Path) -> None:
    made(cache, "podman", {"ext-net": ""}, cluster="other")
    with pytest.raises(pulumi.RunError, match="no container engine can be used"):
        find_workspace(lab())


def test_a_named_engine_that_does_not_answer_is_refused_before_anything_is_made(cache: Path) -> None:
    with pytest.raises(pulumi.RunError, match="docker does not answer"):
        find_workspace(lab(engine="docker"))


@pytest.fixture
def powerless(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without root whose one engine, podman, answers that it has root itself."""
    monkeypatch.setenv("PATH", str(cache / "bin"))
    podman(cache)
    monkeypatch.setattr("components.machine.makes_links", lambda: False)
    monkeypatch.setattr("components.machine.mtus", lambda root: {"eth7": 1500, "lo": 65536})
    monkeypatch.setattr("components.machine.features", lambda root=None: frozenset(FEATURES))
    return cache


def test_a_bridge_that_nobody_may_make_is_refused_before_anything_is_made(powerless: Path) -> None:
    with pytest.raises(pulumi.RunError, match="podman makes no isolated link for network ext-net, and only root may"):
        find_workspace(lab())
    on_a_link = lab(networks=[network(parent="eth7")])
    assert find_workspace(on_a_link).engine is ENGINES["podman"]


def test_a_lab_that_is_another_stacks_is_refused_before_an_engine_is_asked(cache: Path) -> None:
    made(cache, "podman", {"ext-net": ""})
    (cache / "run/kalico/stack").write_text("lab1\n")
    with pytest.raises(pulumi.RunError) as caught:
        find_workspace(lab())
    assert str(caught.value).splitlines() == [
        "1 fault in the config, nothing was touched:",
        f"  - clusterName: 'kalico' is the lab of stack 'lab1', and this is stack {pulumi.get_stack()!r}; "
        "choose other names and subnets, or `make down STACK=lab1` first "
        f"(of a stack that was renamed, write the new name into {cache}/run/kalico/stack)",
    ]


@pytest.mark.parametrize("before", [None, "", "own"])
def test_an_up_says_whose_the_lab_is_and_a_preview_does_not(
    cache: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    made(cache, "podman", {"ext-net": ""})
    record = cache / "run/kalico/stack"
    if before is not None:
        record.write_text(before)
    at_the_end: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", lambda call, *args: at_the_end.append(partial(call, *args)))
    monkeypatch.setattr("pulumi.get_stack", lambda: "own")
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    find_workspace(lab())
    assert (record.read_text() if record.exists() else None) == before
    assert at_the_end == []
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
    find_workspace(lab())
    assert record.read_text().strip() == "own"
    record.unlink()  # as with the last of a lab, all of which this update makes again
    for call in at_the_end:
        call()
    assert record.read_text().strip() == "own"


THEIRS = {"name": "theirs", "driver": "macvlan", "network_interface": "eth7", "subnets": [{"subnet": "10.24.7.0/24"}]}
ON_ETH7 = {"networks": [network(parent="eth7")]}


@pytest.fixture
def machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with podman, on which somebody else has a network on eth7."""
    podman(cache, [THEIRS])
    monkeypatch.setenv("PATH", str(cache / "bin"))
    monkeypatch.setattr("components.machine.mtus", lambda root=None: {"eth7": 1500, "eth8": 1500})
    monkeypatch.setattr("components.machine.features", lambda root=None: frozenset(FEATURES))
    monkeypatch.setattr("components.machine.makes_links", lambda: True)
    return cache


def test_what_the_machine_is_in_the_way_of_is_refused_at_once_before_anything_is_made(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object) -> None:
        raise AssertionError("nothing is fetched for a lab that cannot be")

    monkeypatch.setattr("components.upstream.have", fetched)
    with pytest.raises(pulumi.RunError) as caught:
        find_workspace(lab(**ON_ETH7))
    assert str(caught.value).splitlines() == [
        "2 faults in the config, nothing was touched:",
        "  - networks[0].parent: eth7 is the parent of the engine's network 'theirs'; "
        "take another parent or remove that network",
        "  - podSubnet: 10.24.0.0/16 overlaps the engine's network 'theirs' 10.24.7.0/24; take another subnet",
    ]
    assert asked(machine) == ["info --format", "network ls", "network inspect"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"worker": 2}, {"worker", "networks[0].parent", "podSubnet"}),
        ({"podSubnet": "10.24.3.0/16"}, {"podSubnet", "networks[0].parent"}),
        ({"networks": [network(parent="eth7", subnet="10.23.0.9/16")]}, {"networks[0].subnet", "podSubnet"}),
        ({"engine": "dokcer"}, {"engine"}),
        ({"clusterName": "Kalico"}, {"clusterName"}),
    ],
    ids=["another key", "a subnet", "the network", "the engine", "the lab's name"],
)
def test_what_is_wrong_with_the_config_and_what_the_machine_is_in_the_way_of_are_told_together(
    machine: Path, changes: dict[str, Any], told: set[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        lab(**{"engine": "podman", **ON_ETH7, **changes})
    assert {fault.key for fault in with_machines(caught.value).faults} == told


def test_an_engine_that_does_not_answer_hides_no_fault_of_the_config(cache: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        lab(worker=2)
    assert with_machines(caught.value) is caught.value


def test_a_network_that_is_new_in_a_lab_is_looked_at_alone(machine: Path) -> None:
    made(machine, "podman", {"ext-net": "eth7"})
    lan = {"name": "lan", "subnet": "10.40.0.0/24", "ipam": {"rangeEnd": "10.40.0.20"}}
    assert find_workspace(lab(networks=[*ON_ETH7["networks"], lan])).engine is ENGINES["podman"]
    assert asked(machine) == ["network ls", "network inspect"]
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*networks\[1\].parent: the machine has no .*'eth9'"):
        find_workspace(lab(networks=[*ON_ETH7["networks"], lan | {"parent": "eth9"}]))


@pytest.mark.parametrize("parent", ["eth8", "kalico-0a1b2c3d", ""])
def test_a_network_that_moves_to_another_link_is_looked_at_again(machine: Path, parent: str) -> None:
    made(machine, "podman", {"ext-net": parent})
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*: eth7 is the parent of"):
        find_workspace(lab(**ON_ETH7))


def test_a_network_that_gets_another_subnet_is_looked_at_again(machine: Path) -> None:
    made(machine, "podman", {"ext-net": "eth7"}, subnet="10.99.0.0/16")
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*: eth7 is the parent of"):
        find_workspace(lab(**ON_ETH7))


DUAL = {"networks": [network(parent="eth7", subnet6="fd23::/64")]}


def test_a_network_that_gets_a_second_subnet_is_looked_at_again(machine: Path) -> None:
    made(machine, "podman", {"ext-net": "eth7"}, subnet="10.23.0.0/16")
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*: eth7 is the parent of"):
        find_workspace(lab(**DUAL))


def test_a_network_with_both_of_its_subnets_made_is_not(machine: Path) -> None:
    made(machine, "podman", {"ext-net": "eth7"}, subnet="10.23.0.0/16 fd23::/64")
    assert find_workspace(lab(**DUAL)).engine is ENGINES["podman"]
    assert not (machine / "asked").exists()


def test_a_bridge_of_each_nodes_own_is_no_question_in_a_lab_that_runs(machine: Path) -> None:
    bridge = {"name": "own", "subnet": "10.40.0.0/24", "plugin": "bridge"}
    made(machine, "podman", {"ext-net": "eth7"})
    assert find_workspace(lab(networks=[*ON_ETH7["networks"], bridge])).engine is ENGINES["podman"]
    assert not (machine / "asked").exists()


AS_MADE = "10.24.0.0/16 10.96.0.0/16"


@pytest.mark.parametrize(
    ("cluster_subnets", "changes", "told"),
    [
        (AS_MADE, {}, None),
        (None, {"podSubnet": "10.25.0.0/16"}, None),
        ("10.25.0.0/16 10.96.0.0/16", {}, "podSubnet: 10.24.0.0/16 overlaps the engine's network 'theirs'"),
        ("10.24.0.0/16 10.97.0.0/16", {}, None),
        (AS_MADE, {"podSubnet": "10.30.0.0/16", "serviceSubnet": "10.24.0.0/16"}, "serviceSubnet: 10.24.0.0/16 over"),
    ],
    ids=["as made", "not told", "pods", "what was there stays", "services"],
)
def test_a_cluster_that_gets_another_subnet_is_looked_at_again(
    machine: Path, cluster_subnets: str | None, changes: dict[str, Any], told: str | None
) -> None:
    made(machine, "podman", {"ext-net": "eth7"}, cluster_subnets=cluster_subnets)
    if told is None:
        assert find_workspace(lab(**ON_ETH7, **changes)).engine is ENGINES["podman"]
    else:
        with pytest.raises(pulumi.RunError, match=rf"^1 fault .*\n.*{told}"):
            find_workspace(lab(**ON_ETH7, **changes))
    assert (machine / "asked").exists() is (cluster_subnets not in (None, AS_MADE) or told is not None)


@pytest.mark.parametrize(("mode", "asked"), [("bridge", True), ("passthru", False), (None, False)])
def test_a_network_that_gets_another_mode_is_looked_at_again(
    machine: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None, *, asked: bool
) -> None:
    monkeypatch.setattr("components.machine.default_link", lambda _: "eth8")
    made(machine, "podman", {"ext-net": "eth8"}, mode=mode)
    settings = lab(networks=[network(parent="eth8", mode="passthru")], pods=[])
    if asked:
        with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*networks\[0\].mode: passthru takes eth8 whole"):
            find_workspace(settings)
    else:
        assert find_workspace(settings).engine is ENGINES["podman"]
    assert (machine / "asked").exists() is asked


@pytest.mark.parametrize("plugin", ["ipvlan", "bridge"])
def test_a_plugin_that_the_kernel_has_not_is_refused_in_a_lab_that_runs_without_a_question_to_the_engine(
    machine: Path, monkeypatch: pytest.MonkeyPatch, plugin: str
) -> None:
    made(machine, "podman", {"ext-net": ""}, mode="bridge")
    changed = lab(networks=[network(without="mode", plugin=plugin)])
    assert find_workspace(changed).engine is ENGINES["podman"]
    monkeypatch.setattr("components.machine.features", lambda: frozenset({"macvlan"}))
    with pytest.raises(pulumi.RunError, match=rf"^1 fault .*\n.*networks\[0\].plugin: ext-net needs {plugin}"):
        find_workspace(changed)
    assert not (machine / "asked").exists()


def test_an_mtu_that_the_parent_has_not_is_refused_in_a_lab_that_runs(machine: Path) -> None:
    made(machine, "podman", {"ext-net": "eth7"}, mode="bridge")
    assert find_workspace(lab(networks=[network(parent="eth7", mtu=1500)])).engine is ENGINES["podman"]
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*networks\[0\].mtu: 9000 is more than eth7's own 1500"):
        find_workspace(lab(networks=[network(parent="eth7", mtu=9000)]))
    assert not (machine / "asked").exists()


@pytest.mark.parametrize(("engine", "full"), [("docker", True), ("podman", False)])
def test_a_worker_for_whom_the_engine_has_no_address_is_refused_in_a_lab_that_runs(
    machine: Path, monkeypatch: pytest.MonkeyPatch, engine: str, *, full: bool
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a preview would pay for this")

    monkeypatch.setattr("subprocess.run", asked)
    small = network(subnet="10.23.0.0/28", ipam={"rangeStart": "10.23.0.2", "rangeEnd": "10.23.0.7"})
    made(machine, engine, {"ext-net": ""}, subnet="10.23.0.0/28")
    assert find_workspace(lab(networks=[small], workers=4)).engine is ENGINES[engine]
    if full:
        with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*networks\[0\].subnet: 5 workers take 5 addresses"):
            find_workspace(lab(networks=[small], workers=5))
    else:
        assert find_workspace(lab(networks=[small], workers=5)).engine is ENGINES[engine]


def test_an_address_that_the_machine_has_on_the_parent_is_given_to_no_pod_of_a_lab_that_runs(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_pod(address: str) -> LabSettings:
        pod = {"name": "one", "image": "alpine", "networks": [{"name": "lan", "address": address}]}
        lan = {"name": "lan", "subnet": "10.23.0.0/16", "parent": "eth7", "ipam": {"type": "static"}}
        return lab(networks=[lan], pods=[pod])

    own = (ip_address("10.23.0.150"), "eth7", "this machine's own")
    monkeypatch.setattr("components.machine.neighbours", lambda: (own,))
    made(machine, "podman", {"lan": "eth7"})
    assert find_workspace(with_pod("10.23.0.151")).engine is ENGINES["podman"]
    with pytest.raises(pulumi.RunError, match=r"^1 fault .*\n.*pods\[0\]\..*: 10\.23\.0\.150 is this machine's own"):
        find_workspace(with_pod("10.23.0.150"))
    assert not (machine / "asked").exists()


def test_on_another_engine_a_lab_is_new(machine: Path) -> None:
    made(machine, "docker", {"ext-net": "eth7"})
    with pytest.raises(pulumi.RunError, match=r"^2 faults"):
        find_workspace(lab(**ON_ETH7, engine="podman"))


@pytest.mark.parametrize(
    ("parents", "networks"),
    [
        ({"ext-net": ""}, [network()]),
        ({"ext-net": "kalico-0a1b2c3d"}, [network()]),
        ({"ext-net": "eth7"}, [network(parent="eth7")]),
        ({"ext-net": "eth7.5"}, [network(parent="eth7", vlan=5)]),
        ({"ext-net": "", "gone": "eth8"}, [network()]),
        ({}, []),
    ],
    ids=["island of the engine's", "island", "parent", "tag", "one too many", "none"],
)
def test_a_lab_that_is_as_it_was_made_asks_neither_the_engine_nor_the_kernel(
    machine: Path, monkeypatch: pytest.MonkeyPatch, parents: dict[str, str], networks: list[dict[str, Any]]
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a preview would pay for this")

    for name in ("makes_links", "mtus", "features"):
        monkeypatch.setattr(f"components.machine.{name}", asked)
    monkeypatch.setattr("subprocess.run", asked)
    made(machine, "podman", parents)
    assert find_workspace(lab(networks=networks, pods=[])).engine is ENGINES["podman"]


def test_every_file_that_cannot_be_had_is_told_before_anything_is_made(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("KALICO_CACHE", str(machine))
    made(machine, "podman", {"ext-net": ""})
    (machine / "mine.yaml").write_text("no object")
    own = {
        "calicoManifest": {"source": str(machine / "gone.yaml"), "sha256": "0" * 64},
        "multusManifest": {
            "source": str(machine / "mine.yaml"),
            "sha256": hashlib.sha256(b"no object").hexdigest(),
        },
        "cniPluginsArchive": {"source": "~nobody-of-this-name/cni.tgz", "sha256": "0" * 64},
    }
    with pytest.raises(pulumi.RunError) as caught:
        find_workspace(lab(**own))
    said = str(caught.value).splitlines()
    assert said[0] == "3 files cannot be had, nothing was touched:"
    assert [line.split(": ")[0] for line in said[1:]] == [
        f"  - {machine}/gone.yaml",
        f"  - {machine}/mine.yaml is no file of Kubernetes objects",
        "  - ~nobody-of-this-name/cni.tgz",
    ]
