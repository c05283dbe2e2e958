"""network-create.sh: on a parent, or an island; over what an earlier run left, never over somebody else's."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.records import Record, records
from components.workspace import is_made
from tests.lab_config import lab
from tests.lab_config import network as described
from tests.scripts.conftest import GOES, Bench, lose, mode

WORDS = ["--driver", "macvlan", "--subnet", "10.23.0.0/16", "--opt", "mode=bridge"]
CREATE = "* network create *"


@pytest.fixture
def network(bench: Bench) -> Bench:
    """An engine without the network yet."""
    bench.environment |= {"NETWORK": "ext-net", "BRIDGE": "kalico-0a1b2c3d"}
    return bench


def absent(network: Bench) -> Bench:
    network.on("* network inspect ext-net", "exit 1")
    return network


def create(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("network-create", stdin="".join(f"{word}\n" for word in WORDS), **values)


def created(bench: Bench) -> list[str]:
    """The words of the one `network create`."""
    return bench.words("podman network create")[3:]


def test_a_named_parent_is_what_the_network_lies_on(network: Bench) -> None:
    absent(network).on("ip link show eth7")
    network.on(CREATE)
    done = create(network, PARENT="eth7")
    assert (done.returncode, done.stdout) == (0, "parent eth7\n")
    assert created(network) == [*WORDS, "--label", "kalico=lab", "--opt", "parent=eth7", "ext-net"]
    assert not any("bridge" in call for call in network.calls if call.startswith("ip "))


def test_a_parent_that_is_not_there_is_refused_by_name(network: Bench) -> None:
    absent(network).on("ip link show eth7", "exit 1")
    done = create(network, PARENT="eth7")
    assert done.returncode == 1
    assert "there is no interface 'eth7' on this machine" in done.stderr
    assert "'ext-net'" in done.stderr
    assert not any("network create" in call for call in network.calls)


def test_a_tagged_interface_is_left_to_the_engine_where_what_it_lies_on_is_there(network: Bench) -> None:
    absent(network).on("ip link show eth7.5", "exit 1")
    network.on("ip link show eth7", "", "exit 1")
    network.on(CREATE)
    assert create(network, PARENT="eth7.5").stdout == "parent eth7.5\n"
    assert created(network)[-2] == "parent=eth7.5"
    assert "there is no interface 'eth7.5'" in create(network, PARENT="eth7.5").stderr


@pytest.mark.parametrize("given", [{"parent": "eth7"}, {"parent": "eth7", "vlan": 5}, {}])
def test_a_network_that_was_made_is_known_by_its_record(
    network: Bench, run_folder: Path, given: dict[str, Any]
) -> None:
    settings = lab(networks=[described(**given)]).networks[0]
    absent(network).on("ip link *")
    network.on(CREATE)
    assert not is_made(settings, run_folder)
    values = {"PARENT": settings.link or "", "SUBNET": str(settings.subnet), "MODE": "bridge", "BECAUSE": "a reason"}
    assert create(network, **values).returncode == 0
    assert is_made(settings, run_folder)
    assert not is_made(lab(networks=[described(**given, subnet="10.23.0.0/17")]).networks[0], run_folder)
    assert not is_made(lab(networks=[described(**given, mode="private")]).networks[0], run_folder)


@pytest.mark.parametrize(
    ("asked", "parent"),
    [
        ({"PARENT": "eth7"}, "eth7"),
        ({"ISLAND": "bridge"}, "kalico-0a1b2c3d"),
        ({"ISLAND": "engine"}, ""),
    ],
)
def test_a_network_that_was_made_keeps_the_reason_and_its_parent(
    network: Bench, run_folder: Path, asked: dict[str, str], parent: str
) -> None:
    absent(network).on("ip link *")
    network.on(CREATE)
    reason = "2026-01-02T03:04:05Z the engine has no such network"
    assert create(network, **asked, BECAUSE=reason).returncode == 0
    assert records(run_folder) == {"network.ext-net": Record(because=reason, parent=parent)}
    assert mode(run_folder / "because") == 0o700
    assert mode(run_folder / "because/network.ext-net") == 0o600


@pytest.mark.parametrize("link", ["exit 1", ""], ids=["no bridge", "no network"])
def test_of_a_network_that_was_not_made_no_reason_is_kept(network: Bench, run_folder: Path, link: str) -> None:
    (run_folder / "because").mkdir(parents=True)
    for name in ("ext-net", "lan"):
        (run_folder / f"because/network.{name}").write_text("an earlier reason\neth7\n")
    absent(network).on("ip link *", link)
    network.on(CREATE, "exit 125")
    assert create(network).returncode == 1
    assert records(run_folder).keys() == {"network.lan"}


def test_an_island_lies_on_a_bridge_of_its_own(network: Bench) -> None:
    absent(network).on("ip link show kalico-0a1b2c3d", "exit 1")
    network.on("ip link add *")
    network.on("ip link set *")
    network.on(CREATE)
    done = create(network, ISLAND="bridge")
    assert (done.returncode, done.stdout) == (0, "parent kalico-0a1b2c3d\n")
    assert network.calls[1:] == [
        "ip link show kalico-0a1b2c3d",
        "ip link add name kalico-0a1b2c3d type bridge",
        "ip link set kalico-0a1b2c3d up",
        f"podman network create {' '.join(WORDS)} --label kalico=lab --opt parent=kalico-0a1b2c3d ext-net",
    ]


@pytest.mark.parametrize("island", ["bridge", "engine"])
def test_an_island_that_carries_more_than_links_do_is_a_bridge_that_does(network: Bench, island: str) -> None:
    absent(network).on("ip link show kalico-0a1b2c3d", "exit 1")
    network.on("ip link add *")
    network.on("ip link set *")
    network.on(CREATE)
    assert create(network, ISLAND=island, MTU="9000").stdout == "parent kalico-0a1b2c3d\n"
    assert network.calls[2:5] == [
        "ip link add name kalico-0a1b2c3d type bridge",
        "ip link set kalico-0a1b2c3d mtu 9000",
        "ip link set kalico-0a1b2c3d up",
    ]


def test_a_bridge_that_an_earlier_run_left_is_used(network: Bench) -> None:
    absent(network).on("ip link show kalico-0a1b2c3d")
    network.on("ip link set *")
    network.on(CREATE)
    assert create(network).returncode == 0
    assert created(network)[-2] == "parent=kalico-0a1b2c3d"


def test_the_engines_own_island_is_taken_where_it_has_one(network: Bench) -> None:
    absent(network).on(CREATE)
    done = create(network, ISLAND="engine")
    assert (done.returncode, done.stdout) == (0, "island of podman's own\n")
    assert created(network) == [*WORDS, "--label", "kalico=lab", "ext-net"]
    assert not any(call.startswith("ip ") for call in network.calls)


def test_a_kernel_without_the_engines_island_gets_the_bridge(network: Bench) -> None:
    absent(network).on("ip link *")
    network.on(CREATE, "echo 'no dummy device' >&2; exit 1", "")
    done = create(network, ISLAND="engine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "parent kalico-0a1b2c3d\n", "")
    tries = [call for call in network.calls if "network create" in call]
    assert ["parent=" in call for call in tries] == [False, True]


def test_a_network_that_cannot_be_made_leaves_no_bridge(network: Bench) -> None:
    absent(network).on("ip link *")
    network.on(CREATE, "echo 'subnet in use' >&2; exit 125")
    done = create(network)
    assert done.returncode == 1
    assert "subnet in use" in done.stderr
    assert network.calls[-1] == "ip link delete kalico-0a1b2c3d"


def test_an_island_that_can_be_made_neither_way_tells_why_of_both(network: Bench) -> None:
    absent(network).on("ip link *")
    network.on(CREATE, "echo 'no dummy device' >&2; exit 1", "echo 'no such parent' >&2; exit 1")
    done = create(network, ISLAND="engine")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["no such parent", "podman made no isolated link before: no dummy device"]


def test_a_named_parent_survives_a_network_that_cannot_be_made(network: Bench) -> None:
    absent(network).on("ip link show eth7")
    network.on(CREATE, "exit 125")
    assert create(network, PARENT="eth7").returncode == 1
    assert not any("delete" in call for call in network.calls)


def test_what_an_earlier_run_left_is_made_anew_and_no_container_is_killed(network: Bench) -> None:
    network.on("podman network inspect ext-net")
    network.on("podman network ls --quiet --filter name=^ext-net$ --filter label=kalico=lab", "echo abc")
    network.on("podman ps --all --filter network=ext-net *", "printf 'lab-worker\\nlab-worker2\\n'")
    network.on("podman network disconnect *")
    network.on("podman network rm ext-net")
    network.on("ip link *")
    network.on(CREATE)
    assert create(network).returncode == 0
    changes = [call for call in network.calls if call.split()[2] in ("disconnect", "rm", "create")]
    assert changes[:3] == [
        "podman network disconnect --force ext-net lab-worker",
        "podman network disconnect --force ext-net lab-worker2",
        "podman network rm ext-net",
    ]
    assert changes[3].startswith("podman network create ")


@pytest.fixture
def left_behind(network: Bench) -> Bench:
    """The network of an earlier run, with two workers on it, of which the first cannot be taken off."""
    network.on("podman network inspect ext-net")
    network.on("podman network ls *", "echo abc")
    network.on("podman ps *", "printf 'lab-worker\\nlab-worker2\\n'")
    network.on("podman network disconnect * lab-worker", "echo 'cannot be taken off' >&2; exit 1")
    network.on("podman network disconnect *")
    network.on("podman network rm ext-net")
    network.on("ip link *")
    network.on(CREATE)
    return network


def test_a_container_that_goes_meanwhile_is_none_to_be_taken_off(left_behind: Bench) -> None:
    left_behind.on("podman inspect --type container lab-worker", "exit 125")
    assert create(left_behind).returncode == 0
    assert "podman network disconnect --force ext-net lab-worker2" in left_behind.calls
    assert created(left_behind)


def test_a_network_with_a_container_that_cannot_be_taken_off_is_left(left_behind: Bench) -> None:
    left_behind.on("podman inspect --type container lab-worker")
    done = create(left_behind)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "cannot be taken off\n")
    assert not any(call.split()[2] in ("rm", "create") for call in left_behind.calls)


def test_a_network_that_the_lab_did_not_make_is_refused_and_kept(network: Bench, run_folder: Path) -> None:
    network.on("podman network inspect ext-net")
    network.on("podman network ls *")
    done = create(network)
    assert done.returncode == 1
    assert "podman has a network 'ext-net' already that this lab did not make" in done.stderr
    assert "podman network rm ext-net" in done.stderr
    assert [call.split()[2] for call in network.calls] == ["inspect", "ls"]
    assert not (run_folder / "networks/ext-net").exists()


def test_it_is_remembered_before_the_first_step(network: Bench, run_folder: Path) -> None:
    absent(network).on("ip link show *", "exit 1")
    network.on("ip link add *", 'cp "$RUN/networks/ext-net" "$BENCH/remembered"')
    network.on("ip link set *")
    network.on(CREATE)
    assert create(network).returncode == 0
    assert network.left("remembered") == "podman kalico-0a1b2c3d\n"
    assert mode(run_folder) == 0o700


@pytest.mark.parametrize("name", ["CLUSTER", "ENGINE", "NETWORK", "BRIDGE", "RUN"])
def test_it_does_nothing_without_all_it_has_to_know(network: Bench, name: str) -> None:
    assert create(network, **{name: ""}).returncode != 0
    assert network.calls == []


@pytest.mark.parametrize("folder", ["networks", "because"])
def test_a_folder_that_goes_with_another_network_meanwhile_is_made_again(
    network: Bench, run_folder: Path, folder: str
) -> None:
    lose(network, run_folder / folder)
    absent(network).on("ip link *")
    network.on(CREATE)
    done = create(network)
    assert (done.returncode, done.stderr) == (0, "")
    for file in ("networks/ext-net", "because/network.ext-net"):
        assert (mode((run_folder / file).parent), mode(run_folder / file)) == (0o700, 0o600)
        assert (run_folder / file).read_text()


def test_a_network_that_cannot_be_remembered_is_not_made(network: Bench) -> None:
    network.on("mkdir *", GOES)
    done = create(absent(network))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("/networks/ext-net: No such file or directory")
    assert not any(call.startswith(("ip ", "podman network create")) for call in network.calls)
