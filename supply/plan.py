"""Decides a way for each thing that is asked for, then makes them all.

Everything is decided before anything is made: what cannot be had is found out, and named, in the first seconds.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from supply.catalog import CATALOG, Thing
from supply.download import Refused
from supply.schedule import Task, run
from supply.store import Store
from supply.ways import FromModule, Machine, Way

# One Go build nearly fills two cores; a second fills what its long single compilations and its linker leave.
LANES = {"go": max(2, (os.cpu_count() or 2) // 4), "net": 6, "cpu": 1}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The way that was chosen for a thing, and the folder it is or will be in (None: it needs none)."""

    thing: Thing
    way: Way
    folder: Path | None
    done: bool  # nothing left to do
    tried: tuple[str, ...] = ()  # why the better ways were refused


class Impossible(Exception):
    """Things that cannot be had here, each with all that was tried."""

    def __init__(self, things: Mapping[str, Sequence[str]]) -> None:
        self.things = dict(things)
        lines = [
            f"{name} cannot be had here:\n" + "\n".join(f"  - {why}" for why in tried) for name, tried in things.items()
        ]
        super().__init__("\n".join(lines))


def key(way: Way, catalog: Mapping[str, Thing]) -> str:
    """Twelve hex digits over all that decides what the thing will be, the things it starts from included."""
    text = way.recipe() + "".join(key(catalog[name].ways[-1], catalog) for name in way.needs)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def folder_of(thing: Thing, way: Way, store: Store, catalog: Mapping[str, Thing]) -> Path | None:
    return store.folder(thing.name, thing.version, key(way, catalog)) if way.folder else None


def choose(thing: Thing, machine: Machine, catalog: Mapping[str, Thing]) -> Choice | tuple[str, ...]:
    """The first way that can be used; else all that was tried. What is made already is taken before all."""
    for way in thing.ways:
        folder = folder_of(thing, way, machine.store, catalog)
        if folder and way.settled and machine.store.made(folder):
            return Choice(thing=thing, way=way, folder=folder, done=True)
    known = machine.store.remembered().get(thing.name, {})
    tried: list[str] = []
    for way in thing.ways:
        if way.remembered and known.items() >= _note(thing, way, machine).items():
            return Choice(thing=thing, way=way, folder=None, done=True)
        if why := way.refusal(machine):
            tried.append(f"{type(way).__name__}: {why}")
            continue
        folder = folder_of(thing, way, machine.store, catalog)
        done = machine.store.made(folder) is not None if folder else not way.installs
        return Choice(thing=thing, way=way, folder=folder, done=done, tried=tuple(tried))
    return tuple(tried)


def _note(thing: Thing, way: Way, machine: Machine) -> dict[str, str]:
    """A decision, as it is remembered."""
    return {"version": thing.version, "way": way.says(), "mirror": machine.web.mirror}


def decide(goals: Iterable[str], machine: Machine, catalog: Mapping[str, Thing] = CATALOG) -> dict[str, Choice]:
    """A way for each goal and for all that the chosen ways need. Raises Impossible, naming everything at once."""
    choices: dict[str, Choice] = {}
    hopeless: dict[str, tuple[str, ...]] = {}
    todo = list(dict.fromkeys(goals))
    with ThreadPoolExecutor(max_workers=16) as pool:  # each waits for some command or host
        while todo:
            found = pool.map(lambda name: choose(catalog[name], machine, catalog), todo)
            for name, answer in zip(todo, found, strict=True):
                if isinstance(answer, Choice):
                    choices[name] = answer
                else:
                    hopeless[name] = answer
            wanted = (name for choice in choices.values() if not choice.done for name in choice.way.needs)
            todo = [name for name in dict.fromkeys(wanted) if name not in choices and name not in hopeless]
    if hopeless:
        raise Impossible(hopeless)
    return choices


def make(choices: Mapping[str, Choice], machine: Machine, interval: float = 10) -> dict[str, Path]:
    """Make all that is not there. Gives the folders by name; raises schedule.Failed, what was made stays."""
    store, folders = machine.store, {name: choice.folder for name, choice in choices.items() if choice.folder}
    tasks: list[Task] = []
    for name, choice in choices.items():
        way = choice.way
        if choice.done:
            continue
        after = tuple(need for need in way.needs if not choices[need].done)
        if isinstance(way, FromModule):
            fetch = partial(way.fetch, machine)
            tasks.append(Task(name=f"{name}: modules", run=fetch, lane="net", seconds=3))
            after += (f"{name}: modules",)
        fill = partial(_make, choice, machine, folders)
        tasks.append(Task(name=name, run=fill, after=after, lane=way.lane, seconds=choice.thing.seconds))
    for name, choice in choices.items():
        made = store.made(choice.folder) if choice.folder else None
        state = "" if not choice.done else f", made before in {made.seconds:.0f} s" if made else ""
        machine.say(f"{name}: {'' if choice.done else 'to be '}{choice.way.says()}{state}")
    if tasks:
        run(tasks, LANES, machine.say, interval)
    store.remember(
        store.remembered() | {name: _note(choice.thing, choice.way, machine) for name, choice in choices.items()}
    )
    return folders


def _make(choice: Choice, machine: Machine, folders: Mapping[str, Path]) -> None:
    start, thing = time.monotonic(), choice.thing
    try:
        if choice.folder:
            machine.store.make(choice.folder, choice.way.says(), lambda out: choice.way.fill(machine, out, folders))
        else:
            choice.way.fill(machine, machine.store.root, folders)
    except Refused as error:  # it answered when the way was chosen; the next run looks again
        raise RuntimeError(f"{error}; run again, or see supply/README.md for a mirror") from error
    machine.say(f"{thing.name}: {choice.way.says()}, {time.monotonic() - start:.0f} s")
