"""Deciding a way for each thing, and making them, with a small catalog of its own."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from supply.catalog import Thing
from supply.download import Refused
from supply.plan import Impossible, decide, make
from supply.schedule import Failed
from supply.store import Store
from supply.ways import ARCH, DebianPackages, DockerServer, Download, LeftTo, Machine, NodeImage, OnMachine, Way
from tests.supply.loopback import Program, Site


@dataclass(frozen=True, kw_only=True)
class Handmade(Way):
    """A way of the tests: refused when it says why, else writes `text`."""

    why: str = ""
    text: str = ""
    start_from: tuple[str, ...] = ()
    error: Exception | None = None
    log: list[str] = field(default_factory=list, compare=False, repr=False)

    lane = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:
        return self.start_from

    def refusal(self, machine: Machine) -> str:
        return self.why

    def says(self) -> str:
        return "made by hand"

    def fill(self, machine: Machine, out: Path, made: Mapping[str, Path]) -> None:
        if self.error:
            raise self.error
        self.log.append(self.text)
        (out / "text").write_text(self.text + "".join((made[name] / "text").read_text() for name in self.needs))


def catalog(*things: Thing) -> dict[str, Thing]:
    return {thing.name: thing for thing in things}


def thing(name: str, *ways: Way) -> Thing:
    return Thing(name=name, version="v1", ways=ways)


def test_the_first_way_that_is_not_refused_is_taken(machine: Machine) -> None:
    table = catalog(thing("a", Handmade(why="no network"), Handmade(text="second"), Handmade(text="third")))
    choice = decide(["a"], machine, table)["a"]
    assert choice.way == Handmade(text="second")
    assert choice.tried == ("Handmade: no network",)


def test_what_cannot_be_had_is_all_named_with_all_that_was_tried_before_anything_is_made(
    machine: Machine,
) -> None:
    table = catalog(
        thing("a", Handmade(why="host down"), Handmade(why="no go command")),
        thing("b", Handmade(text="b", start_from=("c",))),
        thing("c", Handmade(why="not root")),
    )
    with pytest.raises(Impossible) as caught:
        decide(["a", "b"], machine, table)
    assert caught.value.things == {
        "a": ("Handmade: host down", "Handmade: no go command"),
        "c": ("Handmade: not root",),
    }
    assert "a cannot be had here:\n  - Handmade: host down\n  - Handmade: no go command" in str(caught.value)
    assert not (machine.store.root / "things").exists()


def test_what_a_way_starts_from_is_made_first_and_handed_over(machine: Machine) -> None:
    table = catalog(thing("a", Handmade(text="a", start_from=("b",))), thing("b", Handmade(text="b")))
    folders = make(decide(["a"], machine, table), machine)
    assert (folders["a"] / "text").read_text() == "ab"


def test_what_a_way_starts_from_is_left_alone_when_the_thing_is_not_made_that_way(machine: Machine) -> None:
    table = catalog(thing("a", Handmade(text="a"), Handmade(start_from=("b",))), thing("b", Handmade(text="b")))
    assert set(decide(["a"], machine, table)) == {"a"}


def test_a_thing_is_made_once_and_said_in_one_line_each_time(machine: Machine, said: list[str]) -> None:
    way = Handmade(text="a")
    table = catalog(thing("a", way))
    for _ in range(2):
        make(decide(["a"], machine, table), machine)
    assert way.log == ["a"]
    assert said == ["a: to be made by hand", "a: made by hand, 0 s", "a: made by hand, made before in 0 s"]


def test_another_recipe_makes_the_thing_anew_and_so_what_starts_from_it(machine: Machine) -> None:
    for text in ("one", "two"):
        table = catalog(thing("a", Handmade(text="a", start_from=("b",))), thing("b", Handmade(text=text)))
        folders = make(decide(["a"], machine, table), machine)
        assert (folders["a"] / "text").read_text() == f"a{text}"


def test_what_was_made_is_kept_when_a_better_way_opens(machine: Machine) -> None:
    made = Handmade(text="built")
    make(decide(["a"], machine, catalog(thing("a", Handmade(why="down", text="got"), made))), machine)
    assert decide(["a"], machine, catalog(thing("a", Handmade(text="got"), made)))["a"].way == made


def test_a_stand_in_gives_way_as_soon_as_the_real_thing_can_be_had(machine: Machine) -> None:
    class Substitute(Handmade):
        settled = False

    substitute = Substitute(text="substitute")
    make(decide(["a"], machine, catalog(thing("a", Handmade(why="down"), substitute))), machine)
    assert decide(["a"], machine, catalog(thing("a", Handmade(why="down"), substitute)))["a"].done
    assert decide(["a"], machine, catalog(thing("a", Handmade(text="real"), substitute)))["a"].way == Handmade(
        text="real"
    )


def test_a_failure_leaves_the_other_things_made_and_names_the_thing(machine: Machine) -> None:
    table = catalog(thing("a", Handmade(text="a", error=Refused("gone"))), thing("b", Handmade(text="b")))
    with pytest.raises(Failed, match="a: gone; run again"):
        make(decide(["a", "b"], machine, table), machine)
    choices = decide(["a", "b"], machine, table)
    assert (choices["a"].done, choices["b"].done) == (False, True)


def test_what_is_left_to_others_is_asked_for_once_and_remembered(machine: Machine, site: Site) -> None:
    site.put("/v2/", b"")
    table = catalog(thing("images", LeftTo(whom="the engine", urls=(f"{site.base}/v2/",)), Handmade()))
    for _ in range(2):
        make(decide(["images"], machine, table), machine)
    assert site.asked == ["HEAD /v2/"]


def test_what_is_left_to_others_is_made_here_when_their_hosts_refuse(machine: Machine, site: Site) -> None:
    way = LeftTo(whom="the engine", urls=(f"{site.base}/v2/",))
    choice = decide(["images"], machine, catalog(thing("images", way, Handmade())))["images"]
    assert choice.way == Handmade()
    assert "answers 404" in choice.tried[0]


def test_a_download_becomes_a_program_that_can_be_run(machine: Machine, site: Site) -> None:
    sha256 = site.put("/kind", b"#!/bin/sh\n")
    way = Download(url=f"{site.base}/kind", sums=f"{site.base}/sums", program="kind")
    site.put("/sums", f"{sha256}  kind\n".encode())
    folders = make(decide(["kind"], machine, catalog(thing("kind", way))), machine)
    assert (folders["kind"] / "kind").stat().st_mode & 0o777 == 0o755


def test_a_file_comes_from_the_mirror_as_it_is(machine: Machine, site: Site) -> None:
    sha256 = site.put("/raw.example/a/x.yaml", b"kind: X\n")
    way = Download(url="https://raw.example/a/x.yaml", sha256={ARCH: sha256}, only_from_mirror=True)
    behind = replace(machine, web=replace(machine.web, mirror=site.base))
    folders = make(decide(["x"], behind, catalog(thing("x", way, Handmade()))), behind)
    assert (folders["x"] / "x.yaml").read_bytes() == b"kind: X\n"
    assert decide(["y"], machine, catalog(thing("y", way, Handmade())))["y"].way == Handmade()


def test_commands_that_scripts_need_are_named_all_at_once_with_their_packages(machine: Machine) -> None:
    with pytest.raises(Impossible) as caught:
        decide(["script-tools"], machine)
    said = str(caught.value)
    assert "no openssl (package openssl), no ip (package iproute2), no flock (package util-linux) on PATH" in said
    assert "install openssl, iproute2, util-linux with this distribution's own package manager" in said


def test_commands_that_scripts_need_are_installed_by_root_and_a_user_is_told_how(
    machine: Machine, program: Program, tmp_path: Path
) -> None:
    folder = program("apt-get", f'echo "$@" >> {tmp_path}/log')
    program("openssl", "exit 0")
    user = replace(machine, env={"PATH": str(folder)})
    with pytest.raises(Impossible, match=r"no ip .*, no flock .*(?s:.*)sudo apt-get install .* iproute2 util-linux"):
        decide(["script-tools"], user)
    root = replace(user, root=True)
    make(decide(["script-tools"], root), root)
    assert (tmp_path / "log").read_text().splitlines()[-1].endswith("openssl iproute2 util-linux")


def test_commands_that_are_there_need_nothing(machine: Machine, program: Program) -> None:
    for name in ("openssl", "ip", "flock"):
        folder = program(name, "exit 0")
    choice = decide(["script-tools"], replace(machine, env={"PATH": str(folder)}))["script-tools"]
    assert choice.done


def test_a_docker_server_whose_socket_would_be_too_deep_is_refused_before_it_is_made(
    machine: Machine, program: Program, tmp_path: Path
) -> None:
    root = replace(machine, root=True, mounts=True, env={"PATH": str(program("docker", "exit 1"))})
    way = DockerServer(tools=())
    assert way.refusal(replace(root, store=Store(root=Path("/k")))) == ""
    assert "set a shorter KALICO_CACHE" in way.refusal(replace(root, store=Store(root=tmp_path / ("x" * 100))))


def test_without_the_right_to_mount_nothing_is_built_that_would_need_it_in_the_end(
    machine: Machine, program: Program
) -> None:
    bare = replace(machine, root=True, mounts=False, env={"PATH": str(program("docker", "exit 1"))})
    for way in (NodeImage(parts=(), modules={}, tools=()), DockerServer(tools=())):
        assert "CAP_SYS_ADMIN" in way.refusal(bare)


def test_a_download_with_a_wrong_checksum_ends_the_run_and_leaves_nothing(machine: Machine, site: Site) -> None:
    site.put("/kind", b"evil")
    site.put("/sums", b"0" * 64)
    way = Download(url=f"{site.base}/kind", sums=f"{site.base}/sums", program="kind")
    table = catalog(thing("kind", way, Handmade(text="built")))
    with pytest.raises(Failed, match=r"has sha256 .* published is 000"):
        make(decide(["kind"], machine, table), machine)
    assert list((machine.store.root / "things/kind").iterdir()) == []


def test_who_is_not_root_is_told_the_command_to_run(machine: Machine, program: Program) -> None:
    folder = program("apt-get", "exit 0")
    packages = DebianPackages(names=("podman", "netavark"))
    able = replace(machine, env={"PATH": str(folder)})
    assert packages.refusal(able) == "not root; run: sudo apt-get install --yes --no-install-recommends podman netavark"
    assert "no apt-get" in packages.refusal(machine)


def test_packages_are_installed_by_root_one_apt_at_a_time(machine: Machine, program: Program, tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f'mkdir {tmp_path}/alone || exit 9; echo "$@" >> {log}; sleep 0.05; rmdir {tmp_path}/alone'
    folder = program("apt-get", body)
    root = replace(machine, root=True, env={"PATH": f"{folder}:/usr/bin:/bin"}, apt=threading.Lock())
    table = catalog(*(thing(name, DebianPackages(names=(name,))) for name in ("podman", "mmdebstrap")))
    make(decide(table, root, table), root)
    installed = [line for line in log.read_text().splitlines() if "--simulate" not in line]
    assert sorted(line.split()[-1] for line in installed) == ["mmdebstrap", "podman"]


@pytest.mark.parametrize(("printed", "taken"), [("kind v0.27.0 go1.24", True), ("kind v0.27.1", False)])
def test_a_program_on_the_machine_counts_in_the_right_version_only(
    machine: Machine, program: Program, printed: str, taken: bool
) -> None:
    folder = program("kind", f"echo {printed}")
    way = OnMachine(command=("kind", "version"), version=r"\bv0\.27\.0\b")
    assert (way.refusal(replace(machine, env={"PATH": str(folder)})) == "") is taken


def test_our_own_links_do_not_count_as_on_the_machine(machine: Machine, program: Program) -> None:
    folder = program("kind", "echo v0.27.0")
    machine.store.link(machine.store.bin / "kind", folder / "kind")
    way = OnMachine(command=("kind", "version"), version="v0.27.0")
    assert way.refusal(replace(machine, env={"PATH": str(machine.store.bin)})) == "no kind on PATH"
