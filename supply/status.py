"""The table that `python -m supply status` prints: thing, version, way, where. Looks only at the cache."""

from supply.catalog import CATALOG
from supply.plan import folder_of
from supply.ways import Machine


def table(machine: Machine) -> str:
    store, known = machine.store, machine.store.remembered()
    rows = [("thing", "version", "way", "where")]
    for thing in CATALOG.values():
        folders = [folder for way in thing.ways if (folder := folder_of(thing, way, store, CATALOG))]
        made = next(filter(None, map(store.made, folders)), None)
        if made:
            rows.append((thing.name, thing.version, f"{made.way}, {made.seconds:.0f} s", str(made.folder)))
        else:
            rows.append((thing.name, thing.version, known.get(thing.name, {}).get("way", "not asked for yet"), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    )
