"""Putting things in place, and what a user sees when they cannot be had."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from supply import docker_server, images, lab
from supply import machine as conditions
from supply.catalog import CATALOG, Thing
from supply.lab import decide_lab, drop_caches, files_for_site, link, wake, which_engine
from supply.plan import Choice, folder_of
from supply.ways import DebianPackages, DockerServer, LeftTo, Machine, PluginThere, StandIn
from tests.supply.loopback import Program

LEFT = LeftTo(whom="Pulumi", urls=())
MADE = StandIn(folder_name="command_plugin", words="")


def choice(thing: Thing, folder: Path | None) -> dict[str, Choice]:
    return {thing.name: Choice(thing=thing, way=MADE if folder else LEFT, folder=folder, done=True)}


def folder_with(machine: Machine, *names: str) -> Path:
    folder = machine.store.folder("a", "v1", "key")

    def fill(out: Path) -> None:
        for name in names:
            (out / name).write_text(name)

    machine.store.make(folder, "made", fill)
    return folder


def test_a_tool_is_linked_where_path_looks_and_unlinked_when_the_machine_has_its_own(machine: Machine) -> None:
    kind, place = CATALOG["kind"], machine.store.bin / "kind"
    link(choice(kind, folder_with(machine, "kind")), machine)
    assert place.read_text() == "kind"
    link(choice(kind, None), machine)
    assert not place.is_symlink()


def test_a_plugin_is_laid_out_as_pulumi_looks_for_it(machine: Machine) -> None:
    command = CATALOG["pulumi-resource-command"]
    link(choice(command, folder_with(machine, "pulumi-resource-command", "stand_in.py")), machine)
    place = machine.store.root / "pulumi/plugins/resource-command-v1.2.1"
    assert not place.is_symlink()
    assert sorted(path.name for path in place.iterdir()) == ["pulumi-resource-command", "stand_in.py"]


def test_a_stand_in_makes_room_for_the_real_plugin(machine: Machine) -> None:
    command = CATALOG["pulumi-resource-command"]
    link(choice(command, folder_with(machine, "pulumi-resource-command")), machine)
    link(choice(command, None), machine)
    assert list((machine.store.root / "pulumi/plugins").iterdir()) == []


def test_a_plugin_that_is_not_ours_is_left_alone(machine: Machine) -> None:
    theirs = machine.store.root / "pulumi/plugins/resource-command-v1.2.1/pulumi-resource-command"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("real")
    link(choice(CATALOG["pulumi-resource-command"], None), machine)
    assert theirs.read_text() == "real"


def test_a_plugin_that_the_user_has_is_taken_by_a_link_and_left_as_it_is(machine: Machine, users_home: Path) -> None:
    theirs = users_home / "plugins/resource-command-v1.2.1/pulumi-resource-command"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("real")
    thing = CATALOG["pulumi-resource-command"]
    way = PluginThere(name="command", version="1.2.1")
    assert way.refusal(machine) == ""
    link({thing.name: Choice(thing=thing, way=way, folder=None, done=True)}, machine)
    ours = machine.store.root / "pulumi/plugins/resource-command-v1.2.1/pulumi-resource-command"
    assert ours.readlink() == theirs
    assert way.refusal(machine) == ""  # the link is not taken for a plugin of its own
    theirs.unlink()
    assert way.refusal(machine) != ""


def test_the_files_made_here_are_named_to_the_program_with_their_sha256(machine: Machine) -> None:
    folder = folder_with(machine, "tigera-operator.yaml")
    assert files_for_site({"calico-manifest": folder, "kind": folder}) == {
        "calicoManifest": {
            "source": str(folder / "tigera-operator.yaml"),
            "sha256": hashlib.sha256(b"tigera-operator.yaml").hexdigest(),
        }
    }


def test_where_no_engine_answers_and_none_can_be_installed_the_way_out_is_said(machine: Machine) -> None:
    with pytest.raises(RuntimeError, match=r"no container engine answers here(?s:.*)install podman"):
        which_engine(machine)


def test_where_nothing_can_be_had_the_first_seconds_say_so_of_everything(tmp_path: Path) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "supply", "tools"],
        cwd=Path(__file__).parents[2],
        env={"PATH": "", "HOME": str(tmp_path), "KALICO_MIRROR": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
    )
    assert time.monotonic() - start < 5
    assert done.returncode == 1
    for name in ("pulumi", "pulumi-resource-kubernetes", "kind", "kubectl"):
        assert f"{name} cannot be had here:" in done.stderr
    assert "127.0.0.1:1: connection refused" in done.stderr
    assert "no go command on PATH to build the module" in done.stderr


def test_gos_caches_go_once_all_is_built_and_nothing_else_does(machine: Machine) -> None:
    machine.store.write(machine.store.root / "go/mod/cache/file", "large")
    machine.store.write(machine.store.bin / "kind", "needed")
    drop_caches(machine.store)
    assert not (machine.store.root / "go").exists()
    deadline = time.monotonic() + 5
    while (machine.store.root / "go.dropped").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [path.name for path in machine.store.root.iterdir()] == ["bin"]


def test_all_that_makes_a_lab_impossible_is_said_at_once_before_anything_is_made(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = conditions.Facts(engine="podman", root=False, modules=False)
    monkeypatch.setattr(conditions, "look", lambda engine: facts)
    blind = replace(machine, web=replace(machine.web, mirror="http://127.0.0.1:1"))
    with pytest.raises(RuntimeError) as caught:
        decide_lab("podman", blind)
    assert "kind cannot be had here:" in str(caught.value)
    assert "no flock (package util-linux)" in str(caught.value)
    assert "only root can make; run:\nmkdir -p /lib/modules" in str(caught.value)
    assert not (machine.store.root / "things").exists()


def test_the_machine_is_adapted_after_packages_are_installed_and_before_builds(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    podman, kind = (replace(CATALOG[name], ways=CATALOG[name].ways[-1:]) for name in ("podman", "kind"))
    choices = {thing.name: Choice(thing=thing, way=thing.ways[0], folder=None, done=False) for thing in (podman, kind)}
    assert isinstance(choices["podman"].way, DebianPackages)

    def make(due: dict[str, Choice], machine: Machine) -> dict[str, Path]:
        steps.extend(f"make {name}" for name, choice in due.items() if not choice.done)
        return {}

    def prepare(*_: object) -> conditions.Prepared:
        steps.append("adapt")
        return conditions.Prepared(environment={}, site={})

    monkeypatch.setattr(lab, "decide_lab", lambda engine, machine, leases: choices)
    monkeypatch.setattr(lab, "make", make)
    monkeypatch.setattr(lab, "link", lambda *_: None)
    monkeypatch.setattr(lab, "prune", lambda *_: None)
    monkeypatch.setattr(conditions, "prepare", prepare)
    lab.lab(machine, "podman")
    assert steps == ["make podman", "adapt", "make kind"]


def test_an_engine_that_nobody_knows_is_named_with_where_it_may_come_from(machine: Machine) -> None:
    with pytest.raises(ValueError, match=r"^engine is 'dokcer'; choose .* \(KALICO_ENGINE, kalico:engine\)$"):
        lab.lab(machine, "dokcer")


@pytest.fixture
def started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The roots from which our docker server was started: of a lab `kalico` that lives on it and is recorded."""
    roots: list[Path] = []
    monkeypatch.setattr(lab, "start_docker", lambda root, machine: roots.append(root))
    monkeypatch.setattr(docker_server, "LONGEST_SOCKET_PATH", 1000)
    machine.store.write(machine.store.run / "kalico/engine", "docker\n")
    machine.store.write(machine.store.root / "docker/network/files/local-kv.db", 'x{"name":"kalico"}')
    way = CATALOG["docker"].ways[-1]
    assert isinstance(way, DockerServer)
    root = folder_of(CATALOG["docker"], way, machine.store, CATALOG)
    assert root
    machine.store.make(root, "set up", lambda out: None)
    return roots


def test_our_docker_server_is_started_again_where_a_lab_lives_on_it(
    machine: Machine, started: list[Path], said: list[str]
) -> None:
    wake(machine)
    assert [root.parent for root in started] == [machine.store.root / "things/docker"]
    assert said == ["docker server: needed by kalico"]


def test_a_root_of_an_earlier_version_is_as_good(machine: Machine, started: list[Path]) -> None:
    (root,) = (machine.store.root / "things/docker").iterdir()
    root.rename(root.with_name("any-earlier"))
    wake(machine)
    assert [root.name for root in started] == ["any-earlier"]


@pytest.mark.parametrize(
    "change",
    ["lab on podman", "lab of another server", "machine's docker answers", "a server of the user's", "nothing set up"],
)
def test_our_docker_server_stays_off_where_no_lab_needs_it(
    machine: Machine, started: list[Path], program: Program, change: str
) -> None:
    store = machine.store
    match change:
        case "lab on podman":
            store.write(store.run / "kalico/engine", "podman\n")
        case "lab of another server":
            store.write(store.root / "docker/network/files/local-kv.db", '{"name":"kalico-e2e"}')
        case "machine's docker answers":
            machine = replace(machine, env={"PATH": str(program("docker", "echo 27.1"))})
        case "a server of the user's":
            machine = replace(machine, env={**machine.env, "DOCKER_HOST": "tcp://there:1"})
        case "nothing set up":
            shutil.rmtree(store.root / "things")
    wake(machine)
    assert started == []


BUILT = "localhost/kalico-node:v1.32.2"
ENGINE = """case "$1" in
  ps) [ "$*" = "ps --quiet --filter label=io.x-k8s.kind.cluster" ] && echo "{nodes}" ;;
  image) echo sha256:bbb ;;
  inspect) printf '%s\\n' {made} ;;
esac"""


@pytest.mark.parametrize(
    ("nodes", "made", "said"),
    [
        ("", [], []),
        ("1", [f"/lab-worker {BUILT} sha256:bbb"], []),
        ("1 2", [f"lab-worker {BUILT} aaa", "other-worker kindest/node:v1.31.0 ccc"], ["lab-worker"]),
        (
            "1 2",
            [f"/lab-worker {BUILT} sha256:aaa", f"/lab-control-plane {BUILT} aaa"],
            ["lab-control-plane, lab-worker"],
        ),
    ],
    ids=["no nodes", "the one that it is", "an earlier one, beside another's", "all on an earlier one"],
)
def test_nodes_on_an_earlier_build_of_the_image_are_named(
    program: Program, nodes: str, made: list[str], said: list[str]
) -> None:
    """No plan shows it: the image's name is the same."""
    answers = ENGINE.format(nodes=nodes, made=" ".join(f"'{line}'" for line in made))
    told: list[str] = []
    lab.tell_of_earlier_builds("podman", BUILT, told.append, {"PATH": f"{program('podman', answers)}:/usr/bin:/bin"})
    remedy = f": on an earlier build of {BUILT}; `make down`, then `make up` has the lab on this one"
    assert told == [f"{names}{remedy}" for names in said]


@pytest.mark.parametrize(("leases", "made", "due"), [(False, False, False), (True, False, True), (False, True, True)])
def test_the_image_of_a_dhcp_server_is_made_for_who_asks_and_then_stays_in_site_yaml(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, leases: bool, made: bool, due: bool
) -> None:
    """One site.yaml serves all stacks: one without leases does not take the image from one with them."""
    thing = CATALOG["dhcp-image"]
    folder = folder_of(thing, thing.ways[-1], machine.store, CATALOG)
    assert folder
    if made:
        machine.store.make(folder, "built", lambda out: None)
    goals: list[str] = []

    def decide(names: Sequence[str], machine: Machine) -> dict[str, Choice]:
        goals.extend(names)
        return {name: Choice(thing=CATALOG[name], way=LEFT, folder=folder, done=True) for name in names[-1:]}

    monkeypatch.setattr(lab, "_decide", decide)
    monkeypatch.setattr(conditions, "check", lambda engine: None)
    monkeypatch.setattr(conditions, "prepare", lambda *_: conditions.Prepared(environment={}, site={}))
    monkeypatch.setattr(lab, "make", lambda choices, machine: {n: c.folder for n, c in choices.items() if c.folder})
    monkeypatch.setattr(images, "import_into", lambda engine, folder, say, env: f"image of {folder.parent.name}")
    for name in ("link", "prune", "wake", "drop_caches"):
        monkeypatch.setattr(lab, name, lambda *_: None)
    lab.lab(machine, "podman", leases=leases)
    assert ("dhcp-image" in goals) == due
    site = machine.store.site.read_text() if machine.store.site.exists() else ""
    assert ("dhcpServerImage: image of dhcp-image" in site) == due
