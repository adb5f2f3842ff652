# SPDX-License-Identifier: EUPL-1.2
"""The entry point: runs a command, and turns errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from schakel.cli import serve
from schakel.cli.complaint import complain
from schakel.errors import SchakelError

# What runs until it is told to stop takes no options, and needs none of the thirty other commands, nor the library that
# reads their options: those would be a tenth of its start, and stay with it.
PARTS: Final[Mapping[str, Callable[[], None]]] = {
    "serve": serve.serve,
    "api": serve.api,
    "worker": serve.worker,
    "clock": serve.clock,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command (docs/commands.md)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if len(given) == 1 and given[0] in PARTS:
            PARTS[given[0]]()
        else:
            from schakel.cli.commands import app

            app(args=given, prog_name="schakel")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        return 130  # as a shell has it for SIGINT; what runs and is told to stop by it ends in order, with 0
    except SchakelError as error:
        return int(complain(error))
    return 0
