"""The lab's shell scripts, and how Pulumi's Command runs them.

A script is a file that shellcheck reads. Its values come by environment and stdin, never formatted into it. Its
text is the command, so a changed script shows in the plan, and what an older checkout made can still be deleted.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command.local as local

BASH = ["/bin/bash", "-euo", "pipefail", "-c"]

COMMENTS = re.compile(r"^ *#.*\n", re.MULTILINE)

SHARED = ("live-files", "in-node")
"""What several scripts do; each names what it needs of it by a line such as `. live-files.sh`."""


def script(name: str) -> str:
    """The text of a script, all of it: it can be run wherever no file of this checkout is.

    Without comments, since one that is worded anew would have made again what is there; but with its name, since Pulumi
    shows the first lines of one that failed.
    """
    text = _read(name)
    for shared in SHARED:
        text = text.replace(f". {shared}.sh\n", _read(shared).partition("\n")[2])
    interpreter, _, rest = text.partition("\n")
    return f"{interpreter}\n# {name}.sh\n{COMMENTS.sub('', rest)}"


def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sh").read_text()


def run(
    name: str,
    *,
    create: str | None = None,
    delete: str | None = None,
    environment: Mapping[str, str],
    because: Callable[[], str] = str,
    lines: Sequence[str] = (),
    triggers: Sequence[pulumi.Input[Any]] = (),
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """A Command whose scripts are files here; `lines` go to its stdin, the reason `because` to its environment.
    That is asked for last, when the program has made all its resources: the look at the lab takes as long. Without
    `create` it is for what something else makes, and the lab removes.

    Any change of `triggers`, of a script or of a value replaces it, and with it what was made from it. Left alone,
    Pulumi would run `create` again as an update in place, over what is there, and nothing else would know.
    """
    inputs = "".join(f"{line}\n" for line in lines)

    async def reason() -> str:
        return because()

    def made_from(because: str) -> str:
        texts = [script(name) if name else None for name in (create, delete)]
        given = [*texts, {**environment, "BECAUSE": because}, inputs]
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()

    told: pulumi.Output[str] = pulumi.Output.from_input(reason())
    return local.Command(
        name,
        create=script(create) if create else None,
        delete=script(delete) if delete else None,
        interpreter=BASH,
        environment={**environment, "BECAUSE": told},
        stdin=inputs,
        triggers=[*triggers, told.apply(made_from)],
        # Only what goes wrong is shown; the previous output would repeat the stdout of each in the environment.
        logging=local.Logging.STDERR,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )
