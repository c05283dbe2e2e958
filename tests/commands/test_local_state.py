"""What a killed run left of Pulumi's files of a stack: made readable again, and nothing else touched."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from commands.local_state import LocalState

CHECKPOINT = '{"version": 3}'
ATTRIBUTES = '{"user.content_type": "text/plain; charset=utf-8"}'


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    """A stack `dev` after a step that came to its end, beside a stack `dev2`."""
    state = LocalState(place=tmp_path, project="lab", name="dev")
    state.stacks.mkdir(parents=True)
    state.locks.mkdir(parents=True)
    for name in ("dev.json", "dev.json.bak", "dev2.json"):
        (state.stacks / name).write_text(CHECKPOINT)
        (state.stacks / f"{name}.attrs").write_text(ATTRIBUTES)
    return state


def names(state: LocalState) -> set[str]:
    return {path.name for path in [*state.stacks.iterdir(), *state.locks.iterdir()]}


def test_a_state_that_is_whole_stays_as_it_is(state: LocalState) -> None:
    before = {path: path.read_text() for path in state.stacks.iterdir()}
    assert state.mend() == []
    assert {path: path.read_text() for path in state.stacks.iterdir()} == before


@pytest.mark.parametrize("cut", ["", ATTRIBUTES[:20]], ids=["empty", "half"])
@pytest.mark.parametrize("name", ["dev.json.attrs", "dev.json.bak.attrs", "lock.json.attrs"])
def test_attributes_without_an_end_go_and_the_file_itself_stays(state: LocalState, name: str, cut: str) -> None:
    (state.locks / "lock.json").write_text("{}")
    (state.locks / "lock.json.attrs").write_text(ATTRIBUTES)
    before = names(state)
    ((state.locks if name.startswith("lock") else state.stacks) / name).write_text(cut)
    assert state.mend() == []
    assert before - names(state) == {name}
    assert (state.stacks / "dev.json").read_text() == CHECKPOINT


def test_files_that_were_not_given_their_name_go(state: LocalState) -> None:
    before = names(state)
    (state.stacks / "dev.json.18eb4f17211dbd86.tmp").write_text(CHECKPOINT)
    (state.locks / "lock.json.18eb4f17211dbd86.tmp").write_text("")
    assert state.mend() == []
    assert names(state) == before


@pytest.mark.parametrize("cut", ["", CHECKPOINT[:5]], ids=["empty", "half"])
def test_for_a_checkpoint_without_an_end_the_one_before_is_taken(state: LocalState, cut: str) -> None:
    (state.stacks / "dev.json").write_text(cut)
    (state.stacks / "dev.json.bak").write_text('{"version": 2}')
    assert ["state was lost in the writing" in line for line in state.mend()] == [True]
    assert (state.stacks / "dev.json").read_text() == '{"version": 2}'


def test_a_checkpoint_without_an_end_and_without_one_before_stays_for_pulumi_to_tell_of(state: LocalState) -> None:
    (state.stacks / "dev.json").write_text("")
    (state.stacks / "dev.json.bak").write_text("")
    assert state.mend() == []
    assert (state.stacks / "dev.json").read_text() == ""


PROVIDER = "urn:pulumi:dev::lab::pulumi:providers:kubernetes::cluster"


def resources(state: LocalState, *found: dict[str, Any]) -> None:
    latest = {"resources": [{"urn": PROVIDER, "type": "pulumi:providers:kubernetes", "id": "new"}, *found]}
    (state.stacks / "dev.json").write_text(json.dumps({"version": 3, "checkpoint": {"latest": latest}}))


def note(identity: str, **more: bool) -> dict[str, Any]:
    return {"urn": "urn:of-a-pod", "type": "kubernetes:core/v1:Pod", "provider": f"{PROVIDER}::{identity}", **more}


def provider_of(state: LocalState) -> str:
    latest = json.loads((state.stacks / "dev.json").read_text())["checkpoint"]["latest"]
    return str(latest["resources"][-1]["provider"])


def test_what_was_deleted_to_be_replaced_has_the_provider_that_took_the_place_of_its_own(state: LocalState) -> None:
    resources(state, note("gone", pendingReplacement=True))
    (said,) = state.mend()
    assert "put right" in said
    assert provider_of(state) == f"{PROVIDER}::new"
    assert "dev.json.attrs" not in names(state)
    assert state.mend() == []


@pytest.mark.parametrize(
    "left",
    [
        note("new", pendingReplacement=True),
        note("gone"),
        {"urn": PROVIDER, "type": "pulumi:providers:kubernetes", "id": "old", "pendingReplacement": True},
        note("gone", pendingReplacement=True) | {"provider": "urn:of-no-other::gone"},
        {"urn": "urn:of-a-component", "type": "lab:Layer", "pendingReplacement": True},
    ],
    ids=["has it", "is there", "is a provider", "there is none to give", "needs none"],
)
def test_any_other_resource_keeps_its_provider(state: LocalState, left: dict[str, Any]) -> None:
    resources(state, left)
    before = (state.stacks / "dev.json").read_text()
    assert state.mend() == []
    assert (state.stacks / "dev.json").read_text() == before
    assert "dev.json.attrs" in names(state)


def test_a_provider_that_is_yet_to_be_deleted_still_is_one(state: LocalState) -> None:
    old = {"urn": PROVIDER, "type": "pulumi:providers:kubernetes", "id": "old", "delete": True}
    resources(state, old, note("old", pendingReplacement=True))
    assert state.mend() == []
    assert provider_of(state) == f"{PROVIDER}::old"
    resources(state, old, note("gone", pendingReplacement=True))
    assert state.mend()
    assert provider_of(state) == f"{PROVIDER}::new"


def test_a_stack_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert LocalState(place=tmp_path, project="lab", name="dev").mend() == []
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_another_stack_are_left_alone(state: LocalState) -> None:
    (state.stacks / "dev2.json.attrs").write_text("")
    (state.stacks / "dev2.json.1.tmp").write_text("")
    before = names(state)
    state.mend()
    assert names(state) == before


def test_a_lock_that_was_cut_off_is_held_by_nobody(state: LocalState, running: int) -> None:
    (state.locks / "lock.json").write_text("")
    assert not state.held()
    (state.locks / "other.json").write_text(json.dumps({"pid": running, "hostname": socket.gethostname()}))
    assert state.held()


def test_of_a_stack_that_is_forgotten_nothing_stays_and_of_others_all(state: LocalState) -> None:
    (state.stacks / "dev.json").unlink()  # as Pulumi leaves it
    kept = [
        state.place / ".pulumi" / kind / "lab" / name for kind in ("backups", "history") for name in ("dev", "dev2")
    ]
    for folder in kept:
        folder.mkdir(parents=True)
        (folder / "one.json").write_text(CHECKPOINT)
    state.forget()
    assert {path.name for path in state.stacks.glob("*.json*")} == {"dev.json.attrs", "dev2.json", "dev2.json.attrs"}
    assert [folder.name for folder in kept if folder.exists()] == ["dev2", "dev2"]
    state.forget()
