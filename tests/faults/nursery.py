# SPDX-License-Identifier: EUPL-1.2
"""Starts processes of the hub in a fifth of the time: forks them from one that has the program loaded.

A kill costs a start, and a thousand kills cost a thousand. What is killed is a process of its own all the same, with
its own connections, loops and memory; only loading the program and reading the region is done once, for all of them.
Run as a program it takes a line of JSON per order on stdin and answers each with one on stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG: Final = 1  # prctl(2): the children die with the nursery


# -- the program -------------------------------------------------------------------------------------------------------


def main() -> None:
    run = _loaded()
    gc.collect()
    gc.freeze()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "kill" in order:
            with contextlib.suppress(ProcessLookupError):
                os.kill(order["kill"], order["signal"])
            _, status = os.waitpid(order["kill"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": _fork(run, order)}
        print(json.dumps(answer), flush=True)


def _loaded() -> Callable[[str], int]:
    """Everything that a process imports and reads before it has a store, for the settings of the environment."""
    import psycopg_pool  # noqa: F401

    from schakel import acting, answering, bootstrap, clock, dispatch, intake, involvement  # noqa: F401
    from schakel.cli.app import main as command
    from schakel.errors import ConfigurationError
    from schakel.settings import Settings
    from schakel.store import postgres, sqlite  # noqa: F401

    configuration = bootstrap.read_configuration(Settings())
    if faults := configuration.faults():
        raise ConfigurationError(*faults)

    class Checked(bootstrap.Configuration):
        def faults(self) -> list[Any]:
            return []

    checked = Checked(configuration.region, configuration.formats, configuration.mappings)
    bootstrap.read_configuration = lambda settings: checked
    return lambda part: command([part])


def _fork(run: Callable[[str], int], order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ.update(order["env"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        code = run(order["part"])
    except BaseException:  # nothing of it may go on in the nursery
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


# -- its user ----------------------------------------------------------------------------------------------------------


class Nursery:
    """One loaded program; `start` gives a child's process id, `end` its exit code. Linux only (prctl)."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, environment: Mapping[str, str], log: Path) -> Nursery:
        """`environment` names home and region, which all children share."""
        with log.open("ab") as errors:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.faults.nursery", env=dict(environment), cwd=ROOT,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        nursery = cls(child)
        assert child.stdout is not None
        said = await child.stdout.readline()
        assert said, f"the nursery does not start: see {log}"
        return nursery

    async def start(self, part: str, environment: Mapping[str, str], log: Path) -> int:
        return int((await self._order(part=part, env=dict(environment), log=str(log)))["pid"])

    async def end(self, pid: int, how: signal.Signals) -> int:
        """The exit code: negative when that signal killed it."""
        return int((await self._order(kill=pid, signal=int(how)))["code"])

    async def close(self) -> None:
        self._child.kill()
        await self._child.wait()

    async def _order(self, **words: Any) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        async with self._turn:
            self._child.stdin.write(json.dumps(words).encode() + b"\n")
            await self._child.stdin.drain()
            answer = await self._child.stdout.readline()
        assert answer, "the nursery has gone"
        return dict(json.loads(answer))


if __name__ == "__main__":
    main()
