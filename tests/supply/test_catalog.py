"""What must hold for every row of the catalog; a new row is tested by being there."""

import re
from collections.abc import Collection
from copy import copy
from dataclasses import replace

import pytest

from supply.catalog import CATALOG, ENGINES, LAB, PINS, TOOLS, Thing
from supply.download import Web
from supply.plan import decide, key
from supply.ways import Download, FromModule, LeftTo, Machine, OnMachine, StandIn, Way

WAYS = [(thing, way) for thing in CATALOG.values() for way in thing.ways]


def _name(value: object) -> str:
    return value.name if isinstance(value, Thing) else type(value).__name__


@pytest.mark.parametrize("thing", CATALOG.values(), ids=_name)
def test_each_thing_has_a_way_where_nothing_but_package_registries_answers(thing: Thing) -> None:
    assert not isinstance(thing.ways[-1], Download | LeftTo | OnMachine)


@pytest.mark.parametrize("thing", CATALOG.values(), ids=_name)
def test_what_a_way_starts_from_is_in_the_catalog(thing: Thing) -> None:
    for way in thing.ways:
        assert set(way.needs) <= set(CATALOG)


@pytest.mark.parametrize("thing", CATALOG.values(), ids=_name)
def test_a_key_is_short_and_the_same_each_time(thing: Thing) -> None:
    for way in thing.ways:
        assert re.fullmatch("[0-9a-f]{12}", key(way, CATALOG))
        assert key(way, CATALOG) == key(copy(way), CATALOG)


@pytest.mark.parametrize(("thing", "way"), [pair for pair in WAYS if isinstance(pair[1], FromModule)], ids=_name)
def test_a_module_is_pinned_with_the_checksums_of_all_it_needs(thing: Thing, way: FromModule) -> None:
    required = (way.home / "go.mod").read_text()
    assert re.search(rf"^(require )?\s*{re.escape(way.module)} {re.escape(way.version)}$", required, re.M)
    assert f"{way.module} {way.version} h1:" in (way.home / "go.sum").read_text()
    assert way.packages or way.files


@pytest.mark.parametrize(("thing", "way"), [pair for pair in WAYS if isinstance(pair[1], Download)], ids=_name)
def test_a_download_is_checked_by_a_pin_or_by_the_release_itself(thing: Thing, way: Download) -> None:
    assert way.url.startswith("https://")
    assert way.sums.startswith("https://") or {"amd64", "arm64"} <= set(way.sha256)
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in way.sha256.values())
    assert not (way.program and way.members)
    assert way.program or way.members or not thing.tools


@pytest.mark.parametrize("thing", CATALOG.values(), ids=_name)
def test_the_tools_of_a_thing_come_out_of_each_way_that_makes_them(thing: Thing) -> None:
    for way in thing.ways:
        if isinstance(way, Download):
            assert {way.program, *way.members} >= set(thing.tools)
        elif isinstance(way, FromModule):
            assert programs(way) >= set(thing.tools)


def programs(way: Way) -> set[str]:
    """The names of what a build leaves in its folder."""
    if not isinstance(way, FromModule):
        return set()
    own = {path.rsplit("/", 1)[-1] for path in (*way.packages, *way.files)}
    return own.union(*(programs(CATALOG[name].ways[-1]) for name in way.beside))


def test_only_the_command_plugin_is_stood_in_for() -> None:
    stood_in = [thing.name for thing, way in WAYS if isinstance(way, StandIn)]
    assert stood_in == ["pulumi-resource-command"]
    assert "STAND-IN" in CATALOG["pulumi-resource-command"].ways[-1].says()


def test_calicos_real_version_is_said_and_built_in() -> None:
    way = CATALOG["calico"].ways[-1]
    assert isinstance(way, FromModule)
    assert "v3.29.0-6-gb559a70" in way.says()
    assert {value for _, value in way.set_at_link} == {"v3.29.0-6-gb559a70"}


def test_one_image_more_in_the_node_makes_no_docker_server_anew() -> None:
    assert "whereabouts" in CATALOG["node-image"].ways[-1].recipe()
    assert "whereabouts" not in CATALOG["docker"].ways[-1].recipe()


@pytest.mark.parametrize("engine", ENGINES)
def test_on_a_connected_machine_nothing_is_built(machine: Machine, engine: str) -> None:
    connected = replace(machine, web=_Connected(), root=True)
    choices = decide((*TOOLS, *LAB, *ENGINES[engine]), connected, _with_here("script-tools", *ENGINES[engine]))
    assert all(isinstance(choice.way, LeftTo | Download | OnMachine) for choice in choices.values())
    assert {name for name, choice in choices.items() if isinstance(choice.way, Download)} == {
        "pulumi",
        "kind",
        "kubectl",
    }


def test_behind_a_mirror_every_file_comes_from_it_and_the_images_are_the_engines_affair(machine: Machine) -> None:
    behind = replace(machine, web=_Connected(mirror="https://mirror.example"), root=True)
    choices = decide((*TOOLS, *LAB), behind, _with_here("script-tools"))
    others = {name for name, choice in choices.items() if not isinstance(choice.way, Download)}
    assert others == {"script-tools", "node-image"}


@pytest.mark.parametrize("name", [name for name in CATALOG if name.endswith(("-archive", "-manifest"))])
def test_a_file_of_the_programs_comes_from_a_mirror_by_the_programs_own_pin_and_else_by_the_program(
    machine: Machine, name: str
) -> None:
    way, left, _ = CATALOG[name].ways
    assert isinstance(way, Download)
    pins = [pin for pinned in PINS.values() for pin in pinned.values()]
    for arch, sha256 in way.sha256.items():
        assert {"url": way.url.format(arch=arch), "sha256": sha256} in pins
    assert way.refusal(replace(machine, web=_Connected())) == "no mirror is set"
    assert isinstance(left, LeftTo)
    assert left.refusal(replace(machine, web=_Connected())) == ""


def _with_here(*names: str) -> dict[str, Thing]:
    """The catalog, with these things on the machine."""
    return {**CATALOG, **{name: replace(CATALOG[name], ways=(_HERE,)) for name in names}}


class _Connected(Web):
    """Every address can be had."""

    def refusal(self, url: str, fine: Collection[int] = (), mirrored: bool = True) -> str:
        return ""


class _Here(OnMachine):
    def refusal(self, machine: Machine) -> str:
        return ""


_HERE = _Here(command=("engine",), version="")
