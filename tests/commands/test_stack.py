"""What Pulumi is asked for by each command, how that ends, and whose lock is taken off."""

import dataclasses
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.stack import Stack
from components.checks.plan import ExpectedInterface, Plan, to_json
from components.workspace import OWNER, claim
from tests.commands.conftest import without_looks
from tests.lab_config import ROOT
from tests.scripts.conftest import Bench

SELECT = "pulumi stack select --create --stack dev --non-interactive"
CLUSTER = "pulumi config get clusterName --stack dev --non-interactive"
CANCEL = "pulumi cancel --yes --stack dev --non-interactive"
OUTPUT = "pulumi stack output --json --stack dev --non-interactive"
OTHER_MACHINE = "a-machine-that-is-not-this-one"


@pytest.fixture
def stack(tools: Bench) -> Stack:
    """The stack `dev` of a project called lab, with its state beside it."""
    (tools.folder / "project").mkdir()
    (tools.folder / "project/Pulumi.yaml").write_text("name: lab\nruntime: python\n")
    return Stack(name="dev", folder=tools.folder / "project")


@pytest.fixture
def pulumi(tools: Bench) -> Bench:
    """A Pulumi that does all it is asked, for a lab whose cluster is `lab`; a test's own rules come before."""
    late = dataclasses.replace(tools, rules=900)
    late.on("pulumi config get clusterName *", "echo lab")
    late.on("pulumi *")
    return tools


@pytest.fixture
def nothing_left(tools: Bench) -> Bench:
    """A podman that has nothing of any lab."""
    late = dataclasses.replace(tools, rules=950)
    late.on("podman ps *")
    late.on("podman network ls *")
    late.on("podman network inspect *", "exit 1")
    return tools


def a_process_that_ended() -> int:
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    return process.pid


def lock(state: Path, *, pid: int, hostname: str, project: str = "lab", stack: str = "dev") -> Path:
    """A lock as Pulumi's file backend leaves it behind, with the attributes beside it."""
    folder = state / ".pulumi/locks/organization" / project / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"5d6a6372-620a-461f-a20d-{len(list(folder.iterdir())):012}.json"
    content = {"pid": pid, "username": "me", "hostname": hostname, "timestamp": "2025-11-25T01:15:21.002238565Z"}
    path.write_text(json.dumps(content))
    path.with_name(f"{path.name}.attrs").write_text('{"user.content_type":"text/plain; charset=utf-8"}')
    return path


@pytest.fixture
def state(tools: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Pulumi's local backend."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tools.folder}/state")
    return tools.folder / "state"


def test_up_selects_and_updates_without_a_preview_first(pulumi: Bench, stack: Stack) -> None:
    assert stack.up("--config", "engine=docker") == 0
    assert pulumi.calls == [
        SELECT,
        "pulumi up --yes --skip-preview --config engine=docker --stack dev --non-interactive",
    ]


def test_preview_selects_and_shows_the_difference(pulumi: Bench, stack: Stack) -> None:
    assert stack.preview("--refresh") == 0
    assert pulumi.calls == [SELECT, "pulumi preview --diff --refresh --stack dev --non-interactive"]


def test_down_selects_and_destroys(pulumi: Bench, stack: Stack) -> None:
    assert stack.down("--refresh") == 0
    assert without_looks(pulumi) == [
        SELECT,
        CLUSTER,
        "pulumi destroy --yes --skip-preview --refresh --stack dev --non-interactive",
    ]


def test_remove_takes_the_stack_and_the_config_that_pulumi_wrote_for_it(pulumi: Bench, stack: Stack) -> None:
    stack.remove()
    assert pulumi.calls == ["pulumi stack rm --yes --stack dev --non-interactive"]


@pytest.mark.parametrize("failed", [False, True])
def test_the_backups_of_a_stack_go_with_it_and_stay_with_one_that_cannot_be_removed(
    pulumi: Bench, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, failed: bool
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    backups = tmp_path / ".pulumi/backups/lab/dev"
    backups.mkdir(parents=True)
    pulumi.on("pulumi stack rm *", "exit 255" if failed else "")
    stack.remove()
    assert backups.exists() == failed


def test_outputs_are_what_pulumi_says_they_are(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi stack output *", """echo '{"net1_address": "10.23.0.100", "attachments": []}'""")
    assert stack.outputs() == {"net1_address": "10.23.0.100", "attachments": []}
    assert pulumi.calls == [OUTPUT]


def test_a_setting_is_what_pulumi_says_without_the_end_of_the_line(pulumi: Bench, stack: Stack) -> None:
    assert stack.setting("clusterName") == "lab"
    assert pulumi.calls == [CLUSTER]


def test_a_setting_that_pulumi_does_not_know_ends_with_what_it_said(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi config get *", "echo 'error: no such key' >&2; exit 255")
    with pytest.raises(SystemExit, match="no such key"):
        stack.setting("clusterName")


@pytest.mark.parametrize(("said", "found"), [("kalico", "company"), ("lab", "lab")], ids=["default", "own"])
def test_a_setting_is_the_sites_where_pulumi_tells_the_default(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch, said: str, found: str
) -> None:
    (pulumi.folder / "site.yaml").write_text("clusterName: company\n")
    monkeypatch.setenv("KALICO_SITE", str(pulumi.folder / "site.yaml"))
    pulumi.on("pulumi config get *", f"echo {said}")
    assert stack.setting("clusterName") == found


def test_a_site_file_that_cannot_be_read_ends_with_what_is_wrong_of_it(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KALICO_SITE", str(pulumi.folder / "gone.yaml"))
    with pytest.raises(SystemExit, match=r"gone\.yaml \(KALICO_SITE\) cannot be read"):
        stack.setting("clusterName")


def test_pulumi_runs_in_the_folder_of_the_project(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi up *", 'pwd >"$BENCH/where"')
    assert stack.up() == 0
    assert pulumi.left("where").strip() == str(stack.folder)
    assert Stack(name="dev").folder == ROOT


def test_the_commands_that_take_a_config_file_are_given_it_and_no_other_is(pulumi: Bench, stack: Stack) -> None:
    with_file = dataclasses.replace(stack, config_file=Path("/srv/a lab.yaml"))
    pulumi.on("pulumi stack output *", "echo '{}'")
    with_file.up()
    with_file.preview()
    with_file.down()
    with_file.outputs()
    with_file.remove()
    given = {call.split(" --")[0]: call.endswith(" --config-file /srv/a lab.yaml") for call in without_looks(pulumi)}
    assert given == {
        "pulumi stack select": False,
        "pulumi up": True,
        "pulumi preview": True,
        "pulumi config get clusterName": True,
        "pulumi destroy": True,
        "pulumi stack output": False,
        "pulumi stack rm": False,
    }
    assert with_file.command("up")[-2:] == ["--config-file", "/srv/a lab.yaml"]


def test_an_up_beside_the_caller_is_the_same_command_in_the_same_environment(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi up *", 'echo "$PWD $PULUMI_PARALLEL"')
    with stack.started_up(stdout=subprocess.PIPE) as up:
        said, _ = up.communicate()
    assert said == f"{stack.folder} 64\n"
    assert said == stack.pulumi("up", "--yes", "--skip-preview", quiet=True).stdout
    beside, waited_for = pulumi.calls
    assert beside == waited_for


def test_only_a_preview_goes_without_checkpoints_of_the_state(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi preview *", 'printf %s "${PULUMI_SKIP_CHECKPOINTS:-}" >"$BENCH/preview"')
    pulumi.on("pulumi up *", 'printf %s "${PULUMI_SKIP_CHECKPOINTS:-}" >"$BENCH/up"')
    pulumi.on("pulumi destroy *", 'printf %s "${PULUMI_SKIP_CHECKPOINTS:-}" >"$BENCH/down"')
    stack.preview()
    stack.up()
    stack.down()
    assert [pulumi.left(name) for name in ("preview", "up", "down")] == ["true", "", ""]


def test_an_up_has_all_kinds_checked_before_the_first_is_made_unless_the_user_says_otherwise(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi.on("pulumi up *", 'printf %s "$PULUMI_PARALLEL" >"$BENCH/parallel"')
    stack.up()
    assert pulumi.left("parallel") == "64"
    monkeypatch.setenv("PULUMI_PARALLEL", "3")
    stack.up()
    assert pulumi.left("parallel") == "3"


@pytest.mark.parametrize(("forbidden", "told"), [("1", " CACHE/compiled"), ("", " ")])
def test_the_program_is_compiled_once_even_where_nothing_may_lie_beside_it(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch, forbidden: str, told: str
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", forbidden)
    monkeypatch.setenv("KALICO_CACHE", "CACHE")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    pulumi.on("pulumi preview *", 'printf %s "$PYTHONDONTWRITEBYTECODE ${PYTHONPYCACHEPREFIX:-}" >"$BENCH/preview"')
    stack.preview()
    assert pulumi.left("preview") == told


def command(name: str, run: Path, **inputs: str) -> dict[str, Any]:
    """As the state has one."""
    urn = f"urn:pulumi:dev::lab::command:local:Command::{name}"
    return {"urn": urn, "type": "command:local:Command", "inputs": {"environment": {"RUN": str(run)}, **inputs}}


def write_state(state: Path, *resources: dict[str, Any]) -> Path:
    stacks = state / ".pulumi/stacks/lab"
    stacks.mkdir(parents=True, exist_ok=True)
    stack = {"urn": "urn:pulumi:dev::lab::pulumi:pulumi:Stack::lab-dev", "type": "pulumi:pulumi:Stack"}
    (stacks / "dev.json").write_text(json.dumps({"checkpoint": {"latest": {"resources": [stack, *resources]}}}))
    return stacks / "dev.json"


@pytest.fixture
def begun(run_folder: Path, state: Path) -> Path:
    """The record of a network that a run of this stack has begun; the state has another."""
    claim(run_folder, "dev")
    (run_folder / "networks").mkdir()
    for name in ("lan", "wan"):
        (run_folder / "networks" / name).write_text("podman kalico-ffffffff\n")
    write_state(state, command("networks-wan", run_folder, create="make it"))
    return run_folder / "networks/lan"


@pytest.mark.parametrize(("up", "removal", "ends"), [(0, 0, 0), (0, 2, 1), (4, 0, 4), (4, 2, 4)])
def test_what_was_begun_and_the_state_has_not_goes_however_an_up_ends(
    pulumi: Bench, stack: Stack, begun: Path, capfd: pytest.CaptureFixture[str], up: int, removal: int, ends: int
) -> None:
    pulumi.on("pulumi up *", f"exit {up}")
    pulumi.on("podman network ls *", f"echo 'not now' >&2; exit {removal}")
    pulumi.on("ip link show *", "exit 1")
    assert stack.up() == ends
    assert begun.exists() == bool(removal)
    assert begun.with_name("wan").exists()
    assert capfd.readouterr().err == ("still there: network-delete on podman: not now\n" if removal else "")


def test_what_only_stands_in_the_place_of_a_thing_is_none(
    pulumi: Bench, stack: Stack, begun: Path, run_folder: Path, state: Path
) -> None:
    pulumi.on("podman network ls *")
    pulumi.on("ip link show *", "exit 1")
    there = command("networks-wan", run_folder, create="make it")
    write_state(state, there, command("networks-lan", run_folder))
    assert stack.up() == 0
    assert not begun.exists()


@pytest.mark.parametrize(
    "whose",
    ["another stack's", "nobody's", "of a run at work", "of a state that is gone", "of another backend's stack `dev`"],
)
def test_of_what_was_begun_and_may_be_anothers_nothing_is_touched(
    pulumi: Bench, stack: Stack, begun: Path, state: Path, whose: str, running: int
) -> None:
    owner = begun.parent.parent / OWNER
    match whose:
        case "another stack's":
            owner.write_text("dev2\n")
        case "nobody's":
            owner.unlink()
        case "of a run at work":
            lock(state, pid=running, hostname=socket.gethostname())
        case "of a state that is gone":
            (state / ".pulumi/stacks/lab/dev.json").unlink()
        case _:
            write_state(state, command("networks-wan", begun.parent.parent.with_name("own"), create="make it"))
    assert stack.up() == 0
    assert begun.exists()
    assert {call.split()[0] for call in pulumi.calls} == {"pulumi"}


INTERRUPTED = "kill -INT $PPID; sleep 0.6; echo ended >$BENCH/ended; exit 255"
"""As a terminal does it: both have the signal, and Pulumi needs longer than `subprocess` would wait for it."""


@pytest.mark.parametrize(("word", "command"), [("up", "up"), ("preview", "preview"), ("down", "destroy")])
def test_an_interrupt_is_pulumis_to_end_and_what_it_leaves_is_left_for_the_next_command(
    pulumi: Bench, stack: Stack, word: str, command: str
) -> None:
    pulumi.on(f"pulumi {command} *", INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        {"up": stack.up, "preview": stack.preview, "down": stack.down}[word]()
    assert pulumi.left("ended") == "ended\n"
    assert pulumi.calls[-1].startswith(f"pulumi {command}")


def test_a_second_interrupt_reaches_pulumi_too(pulumi: Bench, stack: Stack) -> None:
    """A handler, and not SIG_IGN, which Pulumi would begin with."""
    pulumi.on("pulumi up *", "kill -INT $$; sleep 5; echo ignored >$BENCH/ended")
    assert stack.up() == -signal.SIGINT
    assert not (pulumi.folder / "ended").exists()


def test_what_an_interrupted_up_had_begun_is_left_to_the_next_one(pulumi: Bench, stack: Stack, begun: Path) -> None:
    """A script of a Pulumi that was interrupted twice may still be at it."""
    pulumi.on("pulumi up *", INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        stack.up()
    assert begun.exists()


def test_who_is_not_to_hear_an_interrupt_does_not(pulumi: Bench, stack: Stack) -> None:
    pulumi.on("pulumi up *", INTERRUPTED)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert stack.up() == 255
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("word", ["up", "preview"])
def test_what_pulumi_ends_with_is_what_up_and_preview_end_with(pulumi: Bench, stack: Stack, word: str) -> None:
    pulumi.on(f"pulumi {word} *", "exit 4")
    assert {"up": stack.up, "preview": stack.preview}[word]() == 4


@pytest.mark.parametrize(
    ("destroy", "kind", "ends"), [(0, 0, 0), (5, 0, 5), (0, 3, 1), (5, 3, 5)], ids=["all gone", "state", "left", "both"]
)
@pytest.mark.usefixtures("nothing_left")
def test_down_fails_where_pulumi_does_or_where_anything_is_still_there(
    pulumi: Bench, stack: Stack, run_folder: Path, capfd: pytest.CaptureFixture[str], destroy: int, kind: int, ends: int
) -> None:
    pulumi.on("pulumi destroy *", f"exit {destroy}")
    pulumi.on("kind delete *", f"[ {kind} = 0 ] || echo 'in use' >&2; exit {kind}")
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    assert stack.down() == ends
    said = f"still there: kind-delete on podman: in use\nstill there: {run_folder}/engine\n" if kind else ""
    assert capfd.readouterr().err == said


@pytest.mark.usefixtures("nothing_left")
def test_what_a_killed_run_left_goes_after_the_stack_and_even_if_destroy_fails(
    pulumi: Bench, stack: Stack, run_folder: Path
) -> None:
    pulumi.on("pulumi destroy *", "exit 255")
    pulumi.on("kind delete *")
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    assert stack.down() == 255
    assert [call.split()[:2] for call in without_looks(pulumi)[2:]] == [
        ["pulumi", "destroy"],
        ["kind", "delete"],
        ["podman", "network"],
        ["pulumi", "destroy"],
    ]
    assert not run_folder.exists()


def test_a_destroy_that_failed_is_done_again_once_all_is_gone(pulumi: Bench, stack: Stack) -> None:
    """The state would go on telling of what is not there, and the next `up` believe it."""
    pulumi.on("pulumi destroy *", "exit 255", "exit 0")
    assert stack.down() == 0
    assert [call.split()[1] for call in without_looks(pulumi)[2:]] == ["destroy", "destroy"]


@pytest.mark.usefixtures("nothing_left")
def test_down_fails_and_tells_what_is_there_though_all_that_removes_things_went_well(
    pulumi: Bench, stack: Stack, run_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.leftovers.PATIENCE", 0)
    pulumi.on("kind delete *")
    pulumi.on("podman ps --all --filter label=io.x-k8s.kind.cluster=lab *", "echo lab-worker; echo lab-worker2")
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    assert stack.down() == 1
    assert capfd.readouterr().err.splitlines() == [
        "still there: containers: podman lab-worker",
        "still there: containers: podman lab-worker2",
    ]


def test_down_of_a_lab_that_was_never_up_ends_well_where_no_engine_answers(
    pulumi: Bench, stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    for engine in ("docker", "podman"):
        pulumi.on(f"{engine} *", "echo 'no server' >&2; exit 125")
    assert stack.down() == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("whose", "goes"), [("lab1", False), ("dev", True), ("", True)])
@pytest.mark.usefixtures("nothing_left")
def test_down_leaves_a_lab_of_that_name_that_is_another_stacks(
    pulumi: Bench, stack: Stack, run_folder: Path, capfd: pytest.CaptureFixture[str], whose: str, *, goes: bool
) -> None:
    pulumi.on("kind delete *")
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    (run_folder / "stack").write_text(f"{whose}\n")
    assert stack.down() == (0 if goes else 1)
    assert run_folder.exists() is not goes
    assert any(call.startswith(("kind delete", "pulumi destroy")) for call in pulumi.calls) is goes
    said = "nothing was touched: clusterName: 'lab' is the lab of stack 'lab1', and this is stack 'dev'; "
    assert (said in capfd.readouterr().err) is not goes


@pytest.mark.parametrize("word", ["up", "preview", "down"])
def test_a_stack_that_cannot_be_selected_ends_each_command(pulumi: Bench, stack: Stack, word: str) -> None:
    pulumi.on("pulumi stack select *", "echo 'error: no such backend' >&2; exit 1")
    with pytest.raises(SystemExit, match="no such backend"):
        {"up": stack.up, "preview": stack.preview, "down": stack.down}[word]()
    assert pulumi.calls == [SELECT]


def test_the_lock_of_a_process_that_is_gone_is_taken_off(
    pulumi: Bench, stack: Stack, state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock(state, pid=a_process_that_ended(), hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT, CANCEL]
    assert "stack dev: the run that held its lock is gone" in capfd.readouterr().out


def test_a_lock_whose_number_is_another_programs_now_is_taken_off(pulumi: Bench, stack: Stack, state: Path) -> None:
    """After a reboot, or a while."""
    lock(state, pid=os.getpid(), hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT, CANCEL]


def test_a_lock_whose_process_runs_stays(pulumi: Bench, stack: Stack, state: Path, running: int) -> None:
    lock(state, pid=running, hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT]


def test_a_lock_of_another_machine_stays_whatever_runs_here(pulumi: Bench, stack: Stack, state: Path) -> None:
    lock(state, pid=a_process_that_ended(), hostname=OTHER_MACHINE)
    stack.select()
    assert pulumi.calls == [SELECT]


@pytest.mark.parametrize("living_first", [True, False])
def test_one_lock_that_may_be_held_keeps_the_dead_one_too(
    pulumi: Bench, stack: Stack, state: Path, living_first: bool, running: int
) -> None:
    """`pulumi cancel` would take off all of them."""
    for pid in sorted([running, a_process_that_ended()], key=lambda pid: (pid == running) != living_first):
        lock(state, pid=pid, hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT]


def test_without_a_lock_nothing_is_taken_off(
    pulumi: Bench, stack: Stack, state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stack.select()
    assert pulumi.calls == [SELECT]
    assert capfd.readouterr().out == ""


def test_helpers_of_a_run_that_was_killed_before_it_had_its_lock_are_ended(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Path] = []
    monkeypatch.setattr("commands.stack.leftovers.end_orphans", ended.append)
    stack.select()
    assert ended == [stack.folder]


def cut_off(state: Path) -> Path:
    """Attributes of a checkpoint that a killed run did not come to write; Pulumi reads no state beside them."""
    attributes = state / ".pulumi/stacks/lab/dev.json.attrs"
    attributes.parent.mkdir(parents=True)
    attributes.touch()
    return attributes


def test_what_a_killed_run_left_half_written_is_mended_before_pulumi_reads_it(
    pulumi: Bench, stack: Stack, state: Path
) -> None:
    attributes = cut_off(state)
    pulumi.on("pulumi stack select *", f"[ ! -e {attributes} ]")
    lock(state, pid=a_process_that_ended(), hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT, CANCEL]


def test_the_files_of_a_run_at_work_are_left_alone(pulumi: Bench, stack: Stack, state: Path, running: int) -> None:
    attributes = cut_off(state)
    lock(state, pid=running, hostname=socket.gethostname())
    stack.select()
    assert attributes.exists()


@pytest.mark.parametrize("names", [{"stack": "dev2"}, {"project": "shop"}], ids=["stack", "project"])
def test_the_lock_of_another_stack_or_project_is_not_this_ones(
    pulumi: Bench, stack: Stack, state: Path, names: dict[str, str]
) -> None:
    lock(state, pid=a_process_that_ended(), hostname=socket.gethostname(), **names)
    stack.select()
    assert pulumi.calls == [SELECT]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file://{0}/state", "state"),
        ("file://{0}/state?no_tmp_dir=true", "state"),
        ("file://{0}/my%20state", "my state"),
        ("file://./state", "project/state"),
    ],
)
def test_a_local_backend_is_found_as_pulumi_finds_it(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch, url: str, place: str
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url.format(pulumi.folder))
    lock(pulumi.folder / place, pid=a_process_that_ended(), hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT, CANCEL]


@pytest.mark.parametrize("url", ["s3://{0}/state", "https://api.pulumi.com{0}/state", "{0}/state", None])
def test_the_locks_of_any_other_backend_are_left_alone(
    pulumi: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    if url:
        monkeypatch.setenv("PULUMI_BACKEND_URL", url.format(pulumi.folder))
    for place in (pulumi.folder / "state", stack.folder, stack.folder / "state", pulumi.folder / "home"):
        lock(place, pid=a_process_that_ended(), hostname=socket.gethostname())
    stack.select()
    assert pulumi.calls == [SELECT]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["up"], "pulumi up --yes --skip-preview --stack dev"),
        (["up", "--stack", "two"], "pulumi up --yes --skip-preview --stack two"),
        (
            ["up", "--stack", "two", "--", "--config", "engine=docker"],
            "pulumi up --yes --skip-preview --config engine=docker --stack two",
        ),
        (["preview", "--", "--refresh"], "pulumi preview --diff --refresh --stack dev"),
        (["down", "--stack", "two"], "pulumi destroy --yes --skip-preview --stack two"),
    ],
    ids=" ".join,
)
def test_the_command_line_runs_the_command_and_ends_as_it_does(
    pulumi: Bench, monkeypatch: pytest.MonkeyPatch, words: list[str], call: str
) -> None:
    pulumi.on(f"{call} *", "exit 6")
    monkeypatch.setattr(sys, "argv", ["commands", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("commands", run_name="__main__")
    assert ended.value.code == 6
    assert without_looks(pulumi)[-1] == f"{call} --non-interactive"


def test_an_interrupted_command_ends_as_shells_have_it_and_says_how_to_go_on(
    pulumi: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pulumi.on("pulumi up *", INTERRUPTED)
    monkeypatch.setattr(sys, "argv", ["commands", "up"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("commands", run_name="__main__")
    assert ended.value.code == 130
    assert capfd.readouterr().err == "interrupted: `make up` goes on from here, `make down` takes all of it away\n"


@pytest.mark.parametrize("words", [[], ["sideways"], ["up", "--config", "engine=docker"]], ids=" ".join)
def test_a_command_line_that_is_not_understood_runs_nothing(
    pulumi: Bench, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["commands", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("commands", run_name="__main__")
    assert ended.value.code == 2
    assert pulumi.calls == []


@pytest.fixture
def run_folder_of_lab(tools: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `up` left of a lab whose cluster is `lab`, with a plan of nothing."""
    monkeypatch.setenv("KALICO_CACHE", str(tools.folder / "cache"))
    run = tools.folder / "cache/run/lab"
    run.mkdir(parents=True)
    (run / "engine").write_text("podman\n")
    interface = ExpectedInterface(pod="default/one", network="lan", interface="net1")
    (run / "checks.json").write_text(to_json(Plan(api="10.96.0.1", networks={}, interfaces=(interface,))))
    return run


def test_check_runs_the_plan_that_up_left_on_the_pods_of_now(
    pulumi: Bench, stack: Stack, run_folder_of_lab: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pulumi.on("kubectl * get --raw /api/v1/pods", """echo '{"items": []}'""")
    pulumi.on("kubectl * get events *", "echo 'NONE seen'")
    assert stack.check() == 1
    said = capfd.readouterr()
    assert said.out.splitlines()[0].startswith("FAIL  one net1: interface there is no such pod")
    assert said.out.splitlines()[-1] == "self-test: 0 passed, 1 failed, 0 notes"
    assert "NONE seen" in said.err
    assert f"kubectl --kubeconfig {run_folder_of_lab}/kubeconfig" in pulumi.calls[-1]


def test_check_ends_well_where_all_that_is_planned_holds(pulumi: Bench, stack: Stack, run_folder_of_lab: Path) -> None:
    (run_folder_of_lab / "checks.json").write_text(to_json(Plan(api="", networks={}, interfaces=())))
    pulumi.on("kubectl * get --raw /api/v1/pods", """echo '{"items": []}'""")
    assert stack.check() == 0


def test_check_of_a_cluster_that_does_not_answer_is_no_result(
    pulumi: Bench, stack: Stack, run_folder_of_lab: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pulumi.on("kubectl *", "echo 'no route' >&2; exit 1")
    assert stack.check() == 2
    assert capfd.readouterr().err == "the self-test cannot be run: the cluster does not answer: no route\n"


@pytest.mark.parametrize("text", ["", "[]", '{"api": "", "networks": {}, "interfaces": [{"pod": "a"}], "peers": []}'])
def test_a_plan_of_another_checkout_or_one_that_was_cut_off_is_said_to_be_made_anew(
    pulumi: Bench, stack: Stack, run_folder_of_lab: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (run_folder_of_lab / "checks.json").write_text(text)
    assert stack.check() == 2
    assert "`make up` writes it anew" in capfd.readouterr().err


def test_check_of_a_lab_whose_engine_a_killed_run_did_not_come_to_note_says_the_same(
    pulumi: Bench, stack: Stack, run_folder_of_lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder_of_lab / "engine").write_text("")
    assert stack.check() == 1
    assert capsys.readouterr().err.startswith("no self-test has been planned here")


@pytest.mark.parametrize("missing", ["engine", "checks.json"])
def test_check_of_a_lab_without_a_plan_says_so(
    pulumi: Bench, stack: Stack, run_folder_of_lab: Path, missing: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (run_folder_of_lab / missing).unlink()
    assert stack.check() == 1
    said = capfd.readouterr().err
    assert said == "no self-test has been planned here: `up` has not come as far\n"
