"""What earlier versions left goes; what is current, or a lab may need, stays."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supply.catalog import CATALOG
from supply.images import NAME
from supply.plan import folder_of
from supply.prune import prune
from supply.server_image import IMAGE
from supply.ways import Machine
from tests.supply.loopback import Program

NEW, OLD, USED, SERVER = (f"sha256:{letter * 16}" for letter in "abcd")


@pytest.fixture
def engine(program: Program, tmp_path: Path) -> dict[str, str]:
    """An engine with four images of ours, two of them of now and one in use, that writes down which are removed."""
    body = f"""case "$1 $2 $3 $4 $5" in
    "images --no-trunc --quiet --filter label=kalico.key") printf '%s\\n' {NEW} {OLD} {USED} {SERVER};;
    "images --no-trunc --quiet {NAME} ") echo {NEW};;
    "images --no-trunc --quiet {IMAGE.name} ") echo {SERVER};;
    "image rm {OLD}  ") echo {OLD} >>{tmp_path}/removed;;
    *) exit 1;;
    esac"""
    return {"PATH": f"{program('podman', body)}:/usr/bin:/bin"}


@pytest.fixture
def lived_in(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """kind in this version and an older one, a thing of old, and Python environments."""
    store = machine.store
    for name, folder in (
        ("kind", folder_of(CATALOG["kind"], CATALOG["kind"].ways[-1], store, CATALOG)),
        ("kind", store.folder("kind", "v0.1.0", "0123456789ab")),
        ("antique", store.folder("antique", "v1", "0123456789ab")),
    ):
        assert folder
        store.make(folder, "built", lambda out, name=name: (out / name).touch())  # type: ignore[misc]
    for name in ("current", "former"):
        (store.root / "venv" / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(store.root / "venv/current"))
    store.link(store.bin / "antique", store.folder("antique", "v1", "0123456789ab") / "antique")
    plugin = store.root / "pulumi/plugins/resource-antique-v1/pulumi-resource-antique"
    store.link(plugin, store.folder("antique", "v1", "0123456789ab") / "antique")
    return machine


def left(machine: Machine) -> set[str]:
    root = machine.store.root
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink()} | {
        str(path.relative_to(root)) for path in root.glob("venv/*")
    }


def test_what_no_row_makes_any_more_goes_and_one_line_says_so(
    lived_in: Machine, engine: dict[str, str], said: list[str], tmp_path: Path
) -> None:
    prune(lived_in, "podman", engine)
    kind = folder_of(CATALOG["kind"], CATALOG["kind"].ways[-1], lived_in.store, CATALOG)
    assert kind
    key = kind.relative_to(lived_in.store.root)
    assert left(lived_in) == {f"{key}/kind", f"{key}/.kalico.json", "venv/current"}
    assert not (lived_in.store.root / "things/antique").exists()
    assert not (lived_in.store.root / "pulumi/plugins/resource-antique-v1").exists()
    assert said == [
        "removed what earlier versions have left: antique v1-0123456789ab, kind v0.1.0-0123456789ab, "
        "venv former, image bbbbbbbbbbbb"
    ]
    assert (tmp_path / "removed").read_text() == f"{OLD}\n"


@pytest.mark.parametrize("record", ["run/other/engine", "run/other/networks/ext-net"])
def test_nothing_goes_while_a_lab_is_up(
    lived_in: Machine, engine: dict[str, str], said: list[str], record: str, tmp_path: Path
) -> None:
    lived_in.store.write(lived_in.store.root / record, "podman\n")
    before = left(lived_in)
    prune(lived_in, "podman", engine)
    assert left(lived_in) == before
    assert not (tmp_path / "removed").exists()
    assert said == [f"3 folders of earlier versions stay in {lived_in.store.root}: other may need them"]


def test_where_all_is_current_nothing_is_said(lived_in: Machine, program: Program, said: list[str]) -> None:
    none = {"PATH": str(program("podman", "exit 0"))}
    prune(lived_in, "podman", none)
    said.clear()
    prune(lived_in, "podman", none)
    lived_in.store.write(lived_in.store.run / "kalico/engine", "podman\n")
    prune(lived_in, "podman", none)
    assert said == []


@pytest.mark.parametrize(
    "left_over", ["run/other/because/network.ext-net", "run/other/because/cluster", "run/other/lock"]
)
def test_files_that_are_no_record_of_anything_are_no_lab(
    lived_in: Machine, engine: dict[str, str], left_over: str
) -> None:
    lived_in.store.write(lived_in.store.root / left_over, "\n")
    prune(lived_in, "podman", engine)
    assert not (lived_in.store.root / "things/antique").exists()


def test_the_root_of_a_docker_server_that_runs_stays(lived_in: Machine, engine: dict[str, str]) -> None:
    store = lived_in.store
    root = store.folder("docker", "any", "0123456789ab")
    store.make(root, "set up", lambda out: None)
    store.write(store.run / "docker/server.json", "{}")
    prune(lived_in, "podman", engine)
    assert store.made(root)
    (store.run / "docker/server.json").unlink()
    prune(lived_in, "podman", engine)
    assert not root.exists()


def test_a_run_outside_the_environments_takes_none_for_old(
    lived_in: Machine, engine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    prune(replace(lived_in), "podman", engine)
    assert {"venv/current", "venv/former"} <= left(lived_in)
