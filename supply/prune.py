"""What earlier versions of the catalog have left in the cache and in the engine: taken away when no lab is up."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from supply.catalog import CATALOG
from supply.images import KEY_LABEL, NAME
from supply.plan import folder_of
from supply.server_image import IMAGE
from supply.store import Store
from supply.ways import Machine, run


def prune(machine: Machine, engine: str, env: Mapping[str, str]) -> None:
    """Remove them and say so in one line.

    A lab that is up may need any of it: Pulumi destroys it with the plugins that have made it.
    """
    store = machine.store
    old = [*old_things(store), *old_environments(store)]
    if labs := labs_up(store):
        if old:
            machine.say(f"{len(old)} folders of earlier versions stay in {store.root}: {', '.join(labs)} may need them")
        return
    gone = [*(_removed(folder) for folder in old), *_old_images(engine, env)]
    _drop_dead_links(store)
    if gone:
        machine.say(f"removed what earlier versions have left: {', '.join(gone)}")


def labs_up(store: Store) -> list[str]:
    """The clusters of which something is recorded to be there."""
    records = [*store.run.glob("*/engine"), *store.run.glob("*/networks/*")]
    return sorted({record.relative_to(store.run).parts[0] for record in records})


def old_things(store: Store) -> list[Path]:
    """The folders of things that no way of the catalog makes; those of a docker server that runs stay."""
    current = {folder_of(thing, way, store, CATALOG) for thing in CATALOG.values() for way in thing.ways}
    running = {"docker"} if (store.run / "docker/server.json").exists() else set()
    things = sorted((store.root / "things").glob("*/*"))
    return [folder for folder in things if folder not in current and folder.parent.name not in running]


def old_environments(store: Store) -> list[Path]:
    """Python environments of other requirements; none when this run is not in one of them."""
    ours = Path(sys.prefix)
    return sorted(folder for folder in ours.parent.glob("*") if ours.parent == store.root / "venv" and folder != ours)


def _removed(folder: Path) -> str:
    """Remove it; at a stroke for who looks: a run that is killed here leaves a draft, which the next one clears."""
    draft = folder.with_name(f".draft-{folder.name}")
    folder.rename(draft)
    shutil.rmtree(draft, ignore_errors=True)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()
    return f"{folder.parent.name} {folder.name}"


def _old_images(engine: str, env: Mapping[str, str]) -> list[str]:
    """Remove the images that were built here, but for those that the lab takes now; one in use stays."""
    listing = run([engine, "images", "--no-trunc", "--quiet", "--filter", f"label={KEY_LABEL}"], env)
    now = "".join(run([engine, "images", "--no-trunc", "--quiet", name], env) for name in (NAME, IMAGE.name))
    gone = []
    for image in sorted(set(listing.split()) - set(now.split())):
        try:
            run([engine, "image", "rm", image], env)
        except RuntimeError:
            continue  # some container is made of it
        gone.append(f"image {image.removeprefix('sha256:')[:12]}")
    return gone


def _drop_dead_links(store: Store) -> None:
    """Of tools, and of plugins: a folder with a dead link would count as an installed plugin."""
    plugins = store.root / "pulumi/plugins"
    for link in (path for path in [*store.bin.glob("*"), *plugins.glob("*/*")] if path.is_symlink()):
        if not link.exists():
            link.unlink()
            if link.parent != store.bin and not any(link.parent.iterdir()):
                link.parent.rmdir()
