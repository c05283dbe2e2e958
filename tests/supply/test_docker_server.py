"""The docker server of our own: what it is started with, and that stopping it ends nothing else."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from supply import docker_server
from supply.docker_server import Process
from supply.images import debian


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")  # short: a socket's path is


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be run in the server's root; no rule is there, as after a start that failed."""
    commands: list[str] = []

    def run(command: Sequence[str | Path], **_: object) -> str:
        commands.append(" ".join(map(str, command)))
        if "-D" in command:
            raise RuntimeError("no such rule")
        return LINKS

    monkeypatch.setattr(debian, "run", run)
    return commands


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@pytest.fixture
def answering(cache: Path) -> Iterator[Path]:
    """A server that says OK to one request after the other on this cache's socket."""
    path = docker_server.places(cache).socket
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                with link:
                    link.recv(4096)
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

        threading.Thread(target=serve, daemon=True).start()
        yield path
        listening.shutdown(socket.SHUT_RDWR)


LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT
5: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN
6: br-2b52b6ac7da6: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN
7: br-ffffffffffff: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN
8: veth1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br-2b52b6ac7da6
"""
RECORDS = b'\x00\x01{"id":"2b52b6ac7da6c0ffee","name":"kind"}'


def record(cache: Path, pid: int, started: int) -> Path:
    path = docker_server.places(cache).record
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pid": pid, "started": started, "root": str(cache / "root")}))
    return path


def start_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().split()[21])


def test_a_server_is_started_in_a_mount_namespace_of_its_own_with_its_places_in_the_cache(cache: Path) -> None:
    where = docker_server.places(cache)
    assert docker_server.command()[:4] == ["unshare", "--mount", "--propagation", "private"]
    script = Path(docker_server.command()[4])
    assert os.access(script, os.X_OK)
    environment = docker_server.environment(Path("/root-of-it"), where)
    assert environment["ROOT"] == "/root-of-it"
    assert environment["RUN"] == f"{cache}/run/docker"
    assert environment["DATA"] == f"{cache}/docker"
    assert where.url == f"unix://{cache}/run/docker/docker.sock"


def test_the_users_docker_settings_do_not_reach_the_server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    monkeypatch.setenv("DOCKER_CONFIG", "/home/u/.docker")
    environment = docker_server.environment(Path("/r"), docker_server.places(cache))
    assert not [name for name in environment if name.startswith("DOCKER")]


def test_a_cache_too_deep_for_a_socket_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set a shorter KALICO_CACHE"):
        docker_server.places(tmp_path / ("x" * 100))


def test_starting_a_server_that_answers_does_nothing(cache: Path, answering: Path) -> None:
    said: list[str] = []
    assert docker_server.start(cache / "no-root", cache, said.append) == f"unix://{answering}"
    assert said == []


def test_a_socket_that_nobody_listens_on_does_not_answer(cache: Path) -> None:
    path = cache / "docker.sock"
    assert not docker_server.answers(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(path))
    assert not docker_server.answers(path)


def test_a_server_that_does_not_come_up_is_an_error_with_the_end_of_its_log(
    cache: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_server, "command", lambda: ["sh", "-c", "echo no root here >&2; exit 3"])
    with pytest.raises(RuntimeError, match="no root here"):
        docker_server.start(cache / "no-root", cache, lambda line: None)
    assert not docker_server.places(cache).record.exists()


def test_stopping_what_does_not_run_says_nothing(cache: Path) -> None:
    said: list[str] = []
    docker_server.stop(cache, said.append)
    assert said == []


def test_stopping_ends_the_recorded_process(cache: Path, asked: list[str], bystander: subprocess.Popen[bytes]) -> None:
    path = record(cache, bystander.pid, start_of(bystander.pid))
    said: list[str] = []
    docker_server.stop(cache, said.append)
    bystander.wait(5)
    assert not path.exists()
    assert said == [f"docker server: stopped; its images and containers stay in {cache}/docker for the next start"]


def test_a_later_process_with_the_same_id_is_left_alone(
    cache: Path, asked: list[str], bystander: subprocess.Popen[bytes]
) -> None:
    path = record(cache, bystander.pid, start_of(bystander.pid) - 1)
    docker_server.stop(cache, lambda line: None)
    assert bystander.poll() is None
    assert not path.exists()


def test_the_processes_of_a_server_are_those_inside_its_root_and_what_they_started() -> None:
    tree = [
        Process(pid=1, parent=0, inside=False),
        Process(pid=10, parent=1, inside=True),  # dockerd
        Process(pid=11, parent=10, inside=True),  # containerd
        Process(pid=12, parent=1, inside=True),  # a shim
        Process(pid=13, parent=12, inside=False),  # a node's init, in a root of its own
        Process(pid=14, parent=13, inside=False),
        Process(pid=20, parent=1, inside=False),  # somebody else's
        Process(pid=21, parent=20, inside=False),
    ]
    assert docker_server.members(tree) == [10, 11, 12, 13, 14]


def test_nobody_is_a_member_of_a_server_that_has_no_process() -> None:
    assert docker_server.members([Process(pid=1, parent=0, inside=False)]) == []


def test_only_the_servers_own_bridges_are_taken_away() -> None:
    assert docker_server.bridges(LINKS, RECORDS) == ["br-2b52b6ac7da6"]


def test_stopping_takes_the_rules_and_bridges_of_this_server_from_the_network(
    cache: Path, asked: list[str], bystander: subprocess.Popen[bytes]
) -> None:
    record(cache, bystander.pid, start_of(bystander.pid))
    records = docker_server.places(cache).data / "network/files/local-kv.db"
    records.parent.mkdir(parents=True)
    records.write_bytes(RECORDS)
    docker_server.stop(cache, lambda line: None)
    inside = f"chroot {cache}/root"
    ours = f"-m comment --comment docker server in {cache}"
    assert asked == [
        f"{inside} iptables -w -t nat -D POSTROUTING {ours} -s 172.28.0.0/16 ! -d 172.28.0.0/16 -j MASQUERADE",
        f"{inside} iptables -w -t filter -D FORWARD {ours} -s 172.28.0.0/16 -j ACCEPT",
        f"{inside} iptables -w -t filter -D FORWARD {ours} -d 172.28.0.0/16 -j ACCEPT",
        f"{inside} ip -o link",
        f"{inside} ip link delete br-2b52b6ac7da6",
    ]


def test_the_server_leaves_the_firewall_to_the_rules_and_makes_no_default_bridge() -> None:
    script = Path(docker_server.command()[4]).read_text()
    assert "--bridge none --iptables=false --ip6tables=false" in script
