"""The cache folder: whole things only, links in one step, one run at a time."""

import multiprocessing
import os
import signal
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from supply.store import RECORD, Store, cache_root


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


def test_the_cache_is_where_the_user_says_else_where_xdg_says_else_in_the_home() -> None:
    assert cache_root({"KALICO_CACHE": "/k", "XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/k")
    assert cache_root({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/kalico")
    assert cache_root({"HOME": "/h"}) == Path("/h/.cache/kalico")


def test_what_is_made_is_found_again_with_its_way(store: Store) -> None:
    folder = store.folder("kind", "v1", "abc")
    store.make(folder, "built", lambda out: (out / "kind").touch())
    made = store.made(folder)
    assert made is not None
    assert (made.folder, made.way) == (store.root / "things/kind/v1-abc", "built")
    assert sorted(path.name for path in folder.iterdir()) == [RECORD, "kind"]


def test_what_failed_half_way_is_not_taken_as_made(store: Store) -> None:
    def fill(out: Path) -> None:
        (out / "half").touch()
        raise OSError("disk full")

    folder = store.folder("kind", "v1", "abc")
    with pytest.raises(OSError, match="disk full"):
        store.make(folder, "built", fill)
    assert store.made(folder) is None
    assert list(folder.parent.iterdir()) == []


def _make_for_ever(root: Path, begun: Event) -> None:
    def fill(out: Path) -> None:
        begun.set()
        time.sleep(60)

    store = Store(root=root)
    with store.locked(print):
        store.make(store.folder("kind", "v1", "abc"), "built", fill)


def test_a_killed_run_leaves_nothing_taken_as_made_and_the_next_run_cleans_up(store: Store) -> None:
    begun = multiprocessing.Event()
    child = multiprocessing.Process(target=_make_for_ever, args=(store.root, begun))
    child.start()
    assert begun.wait(5)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    folder = store.folder("kind", "v1", "abc")
    assert store.made(folder) is None
    assert len(list(folder.parent.iterdir())) == 1  # the draft
    with store.locked(print):
        assert list(folder.parent.iterdir()) == []


def test_a_second_run_says_that_it_waits_and_then_goes_on(store: Store) -> None:
    begun, said = multiprocessing.Event(), list[str]()
    child = multiprocessing.Process(target=_make_for_ever, args=(store.root, begun))
    child.start()
    assert begun.wait(5)

    def hear(line: str) -> None:
        said.append(line)
        child.kill()

    with store.locked(hear):
        child.join()
    (line,) = said
    assert f"waiting for {store.root}/lock, which process {child.pid} (supply " in line
    assert (store.root / "lock").read_text().startswith(f"process {os.getpid()} (supply ")


def test_who_waits_says_so_again_and_again(store: Store) -> None:
    begun, said = multiprocessing.Event(), list[str]()
    child = multiprocessing.Process(target=_make_for_ever, args=(store.root, begun))
    child.start()
    assert begun.wait(5)

    def hear(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            child.kill()

    with store.locked(hear, interval=0.1):
        child.join()
    assert len(said) == 3


def test_a_link_replaces_whatever_was_there(store: Store, tmp_path: Path) -> None:
    place = store.bin / "kind"
    for target in (tmp_path / "old", tmp_path / "new"):
        store.link(place, target)
        assert place.readlink() == target
    assert list(store.bin.iterdir()) == [place]


def test_a_damaged_note_of_decisions_is_as_none(store: Store) -> None:
    store.remember({"kind": {"way": "LeftTo"}})
    assert store.remembered() == {"kind": {"way": "LeftTo"}}
    (store.root / "ways.json").write_text("{")
    assert store.remembered() == {}
