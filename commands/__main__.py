"""`python -m commands up | preview | down [--stack S] [-- words for pulumi]`"""

import argparse
import sys

from commands.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="commands", description=sys.modules["commands"].__doc__)
    parser.add_argument("command", choices=("up", "preview", "down"))
    parser.add_argument("--stack", default="dev")
    parser.add_argument("words", nargs="*", help="handed on to pulumi")
    asked = parser.parse_args()
    stack = Stack(name=asked.stack)
    does = {"up": stack.up, "preview": stack.preview, "down": stack.down}
    return does[asked.command](*asked.words)


if __name__ == "__main__":
    sys.exit(main())
