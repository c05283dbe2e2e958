"""peer-create.sh: a container on the network with the address of config, that forwards where it is asked to."""

import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench, lose, mode

LINKS = """\
1: lo: <LOOPBACK,UP> mtu 65536 qdisc noqueue\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth1@if9: <BROADCAST,UP> mtu 1500\\    link/ether 9a:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
3: eth0@if7: <BROADCAST,UP> mtu 1500\\    link/ether 9a:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff
"""
LABEL = 'podman inspect --type container --format {{index .Config.Labels "kalico"}} lab-peer-lan'


@pytest.fixture
def engine(bench: Bench) -> Bench:
    bench.environment |= {"NETWORK": "lan", "PEER": "lab-peer-lan", "IMAGE": "node:1", "ADDRESS": "10.40.0.9/24"}
    return bench


def create(bench: Bench, stdin: str = "", **values: str) -> subprocess.CompletedProcess[str]:
    bench.on("podman inspect --type container *", "exit 125")
    bench.on('podman inspect *Networks "lan"*', "echo 9a:00:00:00:00:02")
    bench.on('podman inspect *Networks "podman"*', "echo 9a:00:00:00:00:01")
    bench.on("podman exec * ip -oneline link show", f"cat <<'END'\n{LINKS}END")
    bench.on("podman ps --all *")
    bench.on("podman exec --interactive * sh -c *mark peer.lan", 'cat >"$BENCH/mark"')
    for pattern in ("run", "rm", "network connect", "exec"):
        bench.on(f"podman {pattern} *")
    return bench.run("peer-create", stdin=stdin, **values)


def asked(bench: Bench) -> list[str]:
    """What was done, without what was only looked at."""
    looks = ("podman ps", "podman inspect", "podman exec lab-peer-lan ip -oneline", "podman exec --interactive")
    return [call for call in bench.calls if not call.startswith(looks)]


def test_the_peer_is_a_container_on_the_network_by_the_address_of_config_alone(engine: Bench) -> None:
    done = create(engine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "eth0 9a:00:00:00:00:02\n", "")
    run, *others = asked(engine)
    assert run.startswith("podman run --detach --name lab-peer-lan --label kalico=lab --network lan ")
    assert run.endswith(" --entrypoint sleep node:1 infinity")
    assert others == [
        "podman exec lab-peer-lan ip address flush dev eth0 scope global",
        "podman exec lab-peer-lan ip address add 10.40.0.9/24 dev eth0",
    ]


def test_a_peer_that_is_not_asked_to_passes_on_nothing(engine: Bench) -> None:
    create(engine)
    assert "net.ipv4.ip_forward=0" in engine.words("podman run")
    assert not [call for call in engine.calls if "connect" in call or "iptables" in call]


def test_a_peer_that_forwards_is_on_the_engines_network_too_and_hides_the_pods_there(engine: Bench) -> None:
    done = create(engine, UPLINK="podman")
    assert (done.returncode, done.stdout) == (0, "eth0 9a:00:00:00:00:02\n")
    assert "net.ipv4.ip_forward=1" in engine.words("podman run")
    assert asked(engine)[-2:] == [
        "podman network connect podman lab-peer-lan",
        "podman exec lab-peer-lan iptables --table nat --append POSTROUTING --out-interface eth1 --jump MASQUERADE",
    ]


BOTH = "10.40.0.9/24 fd40::9/64"
IPV6_OFF = "podman exec lab-peer-lan cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6"


@pytest.mark.parametrize("address", [BOTH, "fd40::9/64"], ids=["both", "alone"])
def test_an_address_of_ipv6_is_there_at_once(engine: Bench, address: str) -> None:
    engine.on(IPV6_OFF, "echo 0")
    done = create(engine, ADDRESS=address)
    assert (done.returncode, done.stdout) == (0, "eth0 9a:00:00:00:00:02\n")
    assert "--sysctl net.ipv6.conf.all.disable_ipv6=0" in " ".join(engine.words("podman run"))
    added = [call.split(" ip address ")[1] for call in asked(engine) if " ip address " in call]
    four = ["add 10.40.0.9/24 dev eth0"] if address == BOTH else []
    assert added == ["flush dev eth0 scope global", *four, "add fd40::9/64 dev eth0 nodad"]
    assert engine.left("mark") == f"\neth0 9a:00:00:00:00:02 {address}\n"


def test_where_the_engine_has_taken_ipv6_off_the_interface_it_is_put_on_again_from_beside(engine: Bench) -> None:
    engine.on(IPV6_OFF, "echo 1")
    assert create(engine, ADDRESS=BOTH).returncode == 0
    [beside] = [call for call in engine.calls if call.startswith("podman run --rm")]
    assert "--name lab-peer-lan.aid --label kalico=lab --network container:lab-peer-lan --privileged" in beside
    assert " --entrypoint bash node:1 " in beside
    assert beside.endswith("enable eth0")
    assert engine.calls.index(beside) < engine.calls.index(
        "podman exec lab-peer-lan ip address add fd40::9/64 dev eth0 nodad"
    )


def test_a_peer_without_ipv6_is_asked_nothing_of_it(engine: Bench) -> None:
    assert create(engine).returncode == 0
    assert not [call for call in engine.calls if "ipv6" in call]


def test_its_notes_are_gone_when_it_is_started_again_as_its_address_is(engine: Bench) -> None:
    create(engine, BECAUSE="it was gone")
    assert engine.left("mark") == "it was gone\neth0 9a:00:00:00:00:02 10.40.0.9/24\n"
    words = engine.words("podman run")
    assert words[words.index("--tmpfs") + 1] == "/run"


def test_one_that_an_earlier_run_left_is_made_anew(engine: Bench) -> None:
    engine.on(LABEL, "echo lab")
    assert create(engine).returncode == 0
    assert [call.split()[1] for call in asked(engine)[:2]] == ["rm", "run"]
    assert asked(engine)[0] == "podman rm --force --volumes lab-peer-lan"


def test_a_helper_that_a_killed_run_left_beside_it_goes_before_it(engine: Bench) -> None:
    """It is in the peer's network namespace, and podman removes no container that another one hangs on."""
    engine.on(LABEL, "echo lab")
    engine.on("podman ps --all --filter label=kalico=lab *", "printf 'lab-peer-lan-aid\\nlab-peer-lan.aid\\n'")
    assert create(engine).returncode == 0
    assert [call.removeprefix("podman rm --force --volumes ") for call in asked(engine)[:2]] == [
        "lab-peer-lan.aid",
        "lab-peer-lan",
    ]


@pytest.mark.parametrize("label", ["", "another-lab", "<no value>"])
def test_a_container_of_that_name_that_is_not_the_labs_is_refused_and_stays(
    engine: Bench, run_folder: Path, label: str
) -> None:
    engine.on(LABEL, f"echo '{label}'")
    done = create(engine)
    assert done.returncode == 1
    assert "podman has a container 'lab-peer-lan' already that this lab did not make" in done.stderr
    assert asked(engine) == []
    assert not run_folder.exists()


def test_the_record_is_there_before_the_first_step_and_for_its_owner_alone(engine: Bench, run_folder: Path) -> None:
    engine.on("podman run *", 'cp "$RUN/peers/lan" "$BENCH/record"; echo noise; echo refused >&2; exit 125')
    done = create(engine)
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (1, "", ["noise", "refused"])
    assert engine.left("record") == "podman lab-peer-lan\n"
    assert (mode(run_folder / "peers"), mode(run_folder / "peers/lan")) == (0o700, 0o600)


@pytest.mark.parametrize("mac", ["", "9a:00:00:00:00:99"], ids=["untold", "another"])
def test_a_peer_that_has_no_such_interface_is_named_and_has_no_mark(engine: Bench, mac: str) -> None:
    engine.on('podman inspect *Networks "lan"*', f"echo {mac}")
    done = create(engine)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"lab-peer-lan has no interface with the MAC '{mac}' of network 'lan'" in done.stderr
    assert not [call for call in engine.calls if "address" in call or "mark" in call]


@pytest.mark.parametrize("failing", ["* ip address flush *", "* ip address add *", "* iptables *", "network connect *"])
def test_a_step_that_fails_is_an_error_and_leaves_no_mark(engine: Bench, failing: str) -> None:
    pattern = failing if failing.startswith("network") else f"exec {failing}"
    engine.on(f"podman {pattern}", "echo 'not permitted' >&2; exit 2")
    done = create(engine, UPLINK="podman")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "not permitted\n")
    assert not (engine.folder / "mark").exists()


SERVER = {"ROLE": "server", "PEER": "lab-dhcp-lan", "TOOLS": "node:2"}


def serve(bench: Bench, running: str = "true") -> subprocess.CompletedProcess[str]:
    bench.on("podman inspect *State.Running*", f"echo {running}")
    bench.on("podman exec --interactive * sh -c *mark server.lan", 'cat >"$BENCH/mark"')
    bench.on("podman logs *", "echo 'dnsmasq: bad option' >&2")
    return create(bench, stdin="dnsmasq\n--dhcp-option=3\n--log-dhcp\n", **SERVER)


def test_a_server_runs_the_words_that_it_is_given_and_has_a_mark_and_a_record_of_its_own(
    engine: Bench, run_folder: Path
) -> None:
    done = serve(engine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "eth0 9a:00:00:00:00:02\n", "")
    made = engine.words("podman run --detach")
    assert made[-5:] == ["--entrypoint", "dnsmasq", "node:1", "--dhcp-option=3", "--log-dhcp"]
    rule = engine.words("podman run --rm")
    assert rule[rule.index("--name") + 1] == "lab-dhcp-lan.aid"
    assert rule[rule.index("--network") + 1] == "container:lab-dhcp-lan"
    assert rule[rule.index("--entrypoint") + 1 :][:2] == ["iptables", "node:2"]
    assert rule[rule.index("--in-interface") :][:2] == ["--in-interface", "eth0"]
    assert engine.left("mark") == "\neth0 9a:00:00:00:00:02 10.40.0.9/24\n"
    assert (run_folder / "servers/lan").read_text() == "podman lab-dhcp-lan\n"
    assert not (run_folder / "peers").exists()
    assert not [call for call in engine.calls if " logs " in call]


def test_a_server_that_has_ended_tells_why_and_has_no_mark(engine: Bench) -> None:
    done = serve(engine, running="false")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "dnsmasq: bad option\n")
    assert not (engine.folder / "mark").exists()


def test_a_server_that_ends_before_it_has_its_address_tells_why_too(engine: Bench) -> None:
    engine.on("podman exec * ip address add *", "echo 'container not running' >&2; exit 255")
    done = serve(engine)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr == "container not running\ndnsmasq: bad option\n"


def test_a_folder_that_goes_with_another_peer_meanwhile_is_made_again(engine: Bench, run_folder: Path) -> None:
    lose(engine, run_folder / "peers")
    done = create(engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run_folder / "peers/lan").read_text() == "podman lab-peer-lan\n"
