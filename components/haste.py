"""What a program that lives for seconds can do without."""

import gc

import pulumi


def hurry() -> None:
    gc.disable()  # looking for garbage was a tenth of the program's part in a preview
    # Of each resource the SDK tells `--debug` five times, and waits until that has arrived: a twentieth of a preview.
    pulumi.log.debug = untold


def untold(
    msg: str, resource: pulumi.Resource | None = None, stream_id: int | None = None, ephemeral: bool | None = None
) -> None:
    """In the place of the SDK's own `debug`."""
