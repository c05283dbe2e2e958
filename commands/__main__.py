"""`python -m commands up | preview | down | check [--stack S] [-- words for pulumi]`"""

import argparse
import sys

from commands.stack import Stack

INTERRUPTED = 130
"""The status of what SIGINT ended, as shells have it."""


def main() -> int:
    # Split by hand: argparse takes no positionals behind an option when they may be none.
    given = sys.argv[1:]
    own = given[: given.index("--")] if "--" in given else given
    words = given[len(own) + 1 :]
    parser = argparse.ArgumentParser(
        prog="commands",
        usage="%(prog)s {up,preview,down,check} [--stack STACK] [-- words for pulumi]",
        description=sys.modules["commands"].__doc__,
    )
    parser.add_argument("command", choices=("up", "preview", "down", "check"))
    parser.add_argument("--stack", default="dev")
    asked = parser.parse_args(own)
    stack = Stack(name=asked.stack)
    does = {"up": stack.up, "preview": stack.preview, "down": stack.down, "check": stack.check}
    try:
        return does[asked.command](*words)
    except KeyboardInterrupt:
        if asked.command in ("up", "down"):
            print("interrupted: `make up` goes on from here, `make down` takes all of it away", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
