# SPDX-License-Identifier: EUPL-1.2
"""A disk that forgets: an apsw VFS over real files that knows what a power cut would leave of each of them.

Writes go to the real file, so that SQLite works as always; beside it the disk keeps what was synced, and the writes
since then. `cut` gives the files as they would be found: what was synced, and of the rest any part.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

Change = Callable[[bytearray], None]


@dataclass
class _Image:
    """One file: its bytes as of the last sync, and what was done to it since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)


class ForgetfulDisk(apsw.VFS):
    def __init__(self, name: str) -> None:
        self.vfs_name = name
        self.images: dict[str, _Image] = {}
        self.lock = threading.Lock()
        self.sync_fails = False  # as disks do it: what could not be synced is never written, though it reads as written
        self.full = False
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(name, sync_folder)
        with self.lock:
            self.images.pop(name, None)

    def cut(self, into: Path, *, keep: float, seed: int) -> None:
        """Writes every file as found after a power cut now; each unsynced change survives with chance `keep`."""
        chance = random.Random(seed)
        into.mkdir()
        with self.lock:
            for name, image in self.images.items():
                content = bytearray(image.synced)
                for change in image.since:
                    if chance.random() < keep:
                        change(content)
                (into / Path(name).name).write_bytes(content)


class _File(apsw.VFSFile):
    def __init__(self, disk: ForgetfulDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        with disk.lock:
            if self._name is not None and self._name not in disk.images:
                disk.images[self._name] = _Image(bytearray(Path(self._name).read_bytes()))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.full:
            raise apsw.FullError()
        super().xWrite(data, offset)
        self._changed(lambda content, data=bytes(data): _write(content, data, offset))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._changed(lambda content: content.__delitem__(slice(size, None)))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.sync_fails:
            with self._disk.lock:
                self._disk.images[self._name].since.clear()
            raise apsw.IOError()
        super().xSync(flags)
        with self._disk.lock:
            if (image := self._disk.images.get(self._name)) is not None:
                for change in image.since:
                    change(image.synced)
                image.since.clear()

    def _changed(self, change: Change) -> None:
        with self._disk.lock:
            if (image := self._disk.images.get(self._name)) is not None:
                image.since.append(change)


def _write(content: bytearray, data: bytes, offset: int) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
