"""Putting things in place, and what a user sees when they cannot be had."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supply.catalog import CATALOG, Thing
from supply.lab import drop_caches, files_for_site, link, which_engine
from supply.plan import Choice
from supply.ways import LeftTo, Machine, StandIn

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
