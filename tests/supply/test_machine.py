"""What is found lacking on a machine, what is done about it, and that an ordinary machine is left alone."""

import os
import socket
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply import machine
from supply.machine import Cure, Facts

PODMAN = Facts(engine="podman", runtime="crun", network="netavark")
ORDINARY = [
    PODMAN,
    Facts(engine="docker"),
    replace(PODMAN, root=False, sys_resource=False),  # rootless: kind sees to it
]
# each condition with a machine that has it alone
HAS: Mapping[Callable[[Facts], Cure | None], Facts] = {
    machine.no_admin: replace(PODMAN, admin=False),
    machine.no_sys_resource: replace(PODMAN, sys_resource=False, files_limit=20000, processes_limit=32768),
    machine.crun_on_cgroup_v1: replace(PODMAN, cgroup=1),
    machine.no_names_on_networks: replace(PODMAN, network="cni"),
    machine.no_modules_folder: replace(PODMAN, modules=False),
    machine.few_inotify_instances: replace(PODMAN, inotify=128),
    machine.podman_missed_the_boot: replace(PODMAN, missed_boot=True),
}


@pytest.mark.parametrize("facts", ORDINARY, ids=str)
def test_an_ordinary_machine_needs_nothing(facts: Facts) -> None:
    assert machine.cures(facts) == []


def test_there_is_an_example_of_every_condition() -> None:
    assert set(HAS) == set(machine.CONDITIONS)


@pytest.mark.parametrize("condition", HAS, ids=lambda condition: condition.__name__)
def test_a_condition_is_found_alone_and_said_in_one_line(condition: Callable[[Facts], Cure | None]) -> None:
    (cure,) = machine.cures(HAS[condition])
    assert cure == condition(HAS[condition]) or cure.act is not None  # an act is made anew each time
    assert "\n" not in cure.says
    assert cure.containers or cure.act or cure.hopeless


def test_without_sys_resource_containers_keep_the_limits_there_are() -> None:
    (cure,) = machine.cures(HAS[machine.no_sys_resource])
    assert cure.containers == {"containers": {"default_ulimits": ["nofile=20000:20000", "nproc=32768:32768"]}}
    assert cure.site == {"featureGates": {"KubeletInUserNamespace": True}}


def test_no_limit_is_set_where_there_is_none() -> None:
    (cure,) = machine.cures(replace(HAS[machine.no_sys_resource], files_limit=-1))
    assert cure.containers == {"containers": {"default_ulimits": ["nproc=32768:32768"]}}


def test_on_cgroup_v1_podman_takes_runc() -> None:
    (cure,) = machine.cures(HAS[machine.crun_on_cgroup_v1])
    assert cure.containers == {"engine": {"runtime": "runc"}}
    assert cure.act is None


def test_a_missing_runc_is_installed_first() -> None:
    (cure,) = machine.cures(replace(HAS[machine.crun_on_cgroup_v1], has_runc=False))
    assert cure.act is not None
    assert cure.by_hand == "apt-get install --yes --no-install-recommends runc"


def test_a_missing_netavark_is_installed_first() -> None:
    (cure,) = machine.cures(replace(HAS[machine.no_names_on_networks], has_netavark=False))
    assert cure.act is not None
    assert cure.by_hand.endswith("netavark aardvark-dns")


def test_podmans_conditions_do_not_concern_docker() -> None:
    facts = replace(PODMAN, engine="docker", cgroup=1, network="cni")
    assert machine.cures(facts) == []


@pytest.mark.parametrize(
    ("hard", "pid_max", "limit"), [(96365, 32768, 32768), (-1, 4194304, 4194304), (1000, 32768, 1000)]
)
def test_the_limit_of_processes_is_one_that_podman_can_still_set(hard: int, pid_max: int, limit: int) -> None:
    assert machine.processes_limit(hard, pid_max) == limit


@pytest.mark.parametrize(
    ("effective", "has"), [("000001fffeffffff", False), ("000001ffffffffff", True), ("0000000000000000", False)]
)
def test_a_capability_is_read_from_the_effective_set(effective: str, has: bool) -> None:
    status = f"Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\nCapBnd:\t000001ffffffffff\n"
    assert machine.has_capability(status, machine.CAP_SYS_RESOURCE) is has


PODMANS_LOG = """#!/bin/sh
# Says which files it reads, in its words of v4.3.1.
[ "$*" = "--log-level=debug info" ] || exit 1
set -- "$SETTINGS"/etc.conf "$SETTINGS"/etc.conf.d/*.conf
[ -z "${CONTAINERS_CONF:-}" ] || set -- "$CONTAINERS_CONF"
for file; do
  [ ! -e "$file" ] || printf 'time="2026-01-02" level=debug msg="Merged system config \\\\"%s\\\\""\n' "$file" >&2
done
echo 'time="2026-01-02" level=debug msg="Loading registries configuration \\\\"/etc/x.conf\\\\""' >&2
"""


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Facts], None]:
    """Lets a machine have these facts, and no configuration of podman's but what a test writes."""
    podman = tmp_path / "bin/podman"
    podman.parent.mkdir()
    podman.write_text(PODMANS_LOG)
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{podman.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SETTINGS", str(tmp_path))
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)

    def set_to(facts: Facts) -> None:
        monkeypatch.setattr(machine, "look", lambda engine: replace(facts, engine=engine))

    return set_to


def test_podmans_settings_are_added_to_those_that_it_reads_without_them(
    tmp_path: Path, found: Callable[[Facts], None]
) -> None:
    etc = '[containers]\npids_limit = 5\n[engine]\nruntime = "crun"\nevents_logger = "file"\n'
    (tmp_path / "etc.conf").write_text(etc)
    (tmp_path / "etc.conf.d").mkdir()
    (tmp_path / "etc.conf.d/10 more.conf").write_text("[containers]\npids_limit = 7\n")
    found(replace(HAS[machine.no_sys_resource], cgroup=1))
    said: list[str] = []
    prepared = machine.prepare("podman", tmp_path / "cache", said.append)
    written = tomllib.loads(Path(prepared.environment["CONTAINERS_CONF"]).read_text())
    assert written == {
        "containers": {"pids_limit": 7, "default_ulimits": ["nofile=20000:20000", "nproc=32768:32768"]},
        "engine": {"runtime": "runc", "events_logger": "file"},
    }
    assert prepared.site == {"featureGates": {"KubeletInUserNamespace": True}}
    assert len(said) == 2
    assert machine.environment("podman", tmp_path / "cache") == prepared.environment


def test_preparing_twice_comes_to_the_same(
    tmp_path: Path, found: Callable[[Facts], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc.conf").write_text("[containers]\npids_limit = 5\n")
    found(HAS[machine.no_sys_resource])
    first = machine.prepare("podman", tmp_path / "cache", lambda line: None)
    text = Path(first.environment["CONTAINERS_CONF"]).read_text()
    monkeypatch.setenv("CONTAINERS_CONF", first.environment["CONTAINERS_CONF"])  # as `make env` sets it
    assert machine.prepare("podman", tmp_path / "cache", lambda line: None) == first
    assert Path(first.environment["CONTAINERS_CONF"]).read_text() == text


def test_settings_that_the_user_chose_are_all_that_counts(
    tmp_path: Path, found: Callable[[Facts], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc.conf").write_text("[containers]\npids_limit = 5\n")
    (tmp_path / "own.conf").write_text('[engine]\nevents_logger = "none"\n')
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "own.conf"))
    found(HAS[machine.no_sys_resource])
    prepared = machine.prepare("podman", tmp_path / "cache", lambda line: None)
    written = tomllib.loads(Path(prepared.environment["CONTAINERS_CONF"]).read_text())
    assert written["engine"] == {"events_logger": "none"}
    assert "pids_limit" not in written["containers"]


def test_an_ordinary_machine_gets_no_file_and_no_word(tmp_path: Path, found: Callable[[Facts], None]) -> None:
    found(PODMAN)
    said: list[str] = []
    assert machine.prepare("podman", tmp_path / "cache", said.append) == machine.Prepared(environment={}, site={})
    assert said == []
    assert not (tmp_path / "cache").exists()


def test_settings_of_a_condition_that_has_gone_go_too(tmp_path: Path, found: Callable[[Facts], None]) -> None:
    found(HAS[machine.crun_on_cgroup_v1])
    assert machine.prepare("podman", tmp_path, lambda line: None).environment
    found(PODMAN)
    assert machine.prepare("podman", tmp_path, lambda line: None).environment == {}


def test_what_only_root_can_do_is_asked_for_all_at_once_and_nothing_is_done(
    tmp_path: Path, found: Callable[[Facts], None]
) -> None:
    found(replace(PODMAN, root=False, modules=False, network="cni", has_netavark=False))
    with pytest.raises(RuntimeError, match=r"apt-get install.* netavark aardvark-dns\nmkdir -p /lib/modules"):
        machine.prepare("podman", tmp_path / "cache", lambda line: None)
    assert not (tmp_path / "cache").exists()


def test_what_only_the_user_can_see_to_is_all_said_and_nothing_is_changed(
    tmp_path: Path, found: Callable[[Facts], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MODULES", tmp_path / "lib/modules")
    for facts, said in (
        (replace(PODMAN, modules=False, admin=False), "this machine: without CAP_SYS_ADMIN"),
        (replace(PODMAN, root=False, modules=False), "mkdir -p"),
    ):
        found(facts)
        with pytest.raises(RuntimeError, match=said):
            machine.check("podman")
        with pytest.raises(RuntimeError, match=said):
            machine.prepare("podman", tmp_path / "cache", lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_what_root_can_cure_is_no_obstacle(tmp_path: Path, found: Callable[[Facts], None]) -> None:
    found(replace(PODMAN, modules=False, inotify=1, cgroup=1, sys_resource=False))
    machine.check("podman")


def test_root_has_it_done(tmp_path: Path, found: Callable[[Facts], None], monkeypatch: pytest.MonkeyPatch) -> None:
    instances = tmp_path / "max_user_instances"
    instances.write_text("128\n")
    monkeypatch.setattr(machine, "INOTIFY", instances)
    monkeypatch.setattr(machine, "MODULES", tmp_path / "lib/modules")
    found(replace(PODMAN, modules=False, inotify=128))
    machine.prepare("docker", tmp_path, lambda line: None)
    assert instances.read_text() == "1024\n"
    assert (tmp_path / "lib/modules").is_dir()


def test_the_environment_of_our_own_docker_server_is_there_only_while_it_runs() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path has to be short
        cache = Path(folder)
        path = cache / "run/docker/docker.sock"
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            assert machine.environment("docker", cache) == {}
            server.listen()
            assert machine.environment("docker", cache) == {"DOCKER_HOST": f"unix://{path}"}
            assert machine.environment("podman", cache) == {}
        assert machine.environment("docker", cache) == {}


TEXT = st.text(st.characters(codec="utf-8"))
KEYS = TEXT.filter(bool)
VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT | st.lists(TEXT | st.booleans())
TABLES = st.recursive(st.dictionaries(KEYS, VALUES), lambda inner: st.dictionaries(KEYS, VALUES | inner), max_leaves=10)


@given(TABLES)
def test_toml_is_read_back_as_it_was(settings: dict[str, Any]) -> None:
    assert tomllib.loads(machine.toml(settings)) == settings


def test_looking_at_this_machine_finds_facts_of_the_right_kind() -> None:
    facts = machine.look("docker")
    assert facts.cgroup in {1, 2}
    assert facts.inotify > 0
    assert facts.root is (os.geteuid() == 0)


def test_few_inotify_instances_are_said_to_a_user_and_raised_by_root() -> None:
    cure = machine.few_inotify_instances(replace(PODMAN, root=False, inotify=128))
    assert cure is not None
    assert "sysctl fs.inotify.max_user_instances=1024" in cure.says
    assert cure.act is None
    by_root = machine.few_inotify_instances(replace(PODMAN, root=True, inotify=128))
    assert by_root is not None
    assert by_root.act is not None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /run of root's podman, with a name of a network namespace that is none any more and names of its nodes."""
    alive = tmp_path / "libpod/alive"
    alive.parent.mkdir()
    alive.touch()
    (tmp_path / "netns").mkdir()
    (tmp_path / "netns/netns-1").touch()
    (tmp_path / "netns/other").touch()
    (tmp_path / "networks/aardvark-dns").mkdir(parents=True)
    (tmp_path / "networks/aardvark-dns/kalico").write_text("kalico-worker")
    monkeypatch.setattr(machine, "ALIVE", alive)
    monkeypatch.setattr(machine, "NAMESPACES", tmp_path / "netns")
    monkeypatch.setattr(machine, "NETWORKS", tmp_path / "networks")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_a_podman_that_took_no_notice_of_a_boot_is_made_to(run: Path) -> None:
    os.utime(run / "libpod/alive", (1, 1))
    said: list[str] = []
    machine.wake(said.append)
    assert "started anew" in said[0]
    assert sorted(path.name for path in run.rglob("*") if path.is_file()) == ["other"]
    machine.wake(said.append)
    assert len(said) == 1


def test_a_podman_that_was_started_since_the_boot_is_left_alone(run: Path) -> None:
    said: list[str] = []
    machine.wake(said.append)
    assert said == []
    assert (run / "libpod/alive").exists()
    assert (run / "networks/aardvark-dns/kalico").exists()
