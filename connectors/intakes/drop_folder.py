# SPDX-License-Identifier: EUPL-1.2
"""The folder of one source on disk: which files are complete, taking one exactly once, keeping it sealed.

::

    <drop>/<partner>/            the source puts files here
    <drop>/<partner>/bezig/      taken, being read; whoever holds the lock works on it
    <drop>/<partner>/resultaat/  what became of each row; for the source to read
    <drop>/<partner>/archief/    the originals, sealed, until their term
    <drop>/<partner>/geweigerd/  what could not be read at all: sealed too, with its result file

Taking is a rename: of two hubs one has it. The lock is the file system's own and ends with the process, so that a file
whose taker was killed is taken up again by the next look of any hub.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from connectors.formats import xlsx_table
from schakel.errors import Tampered
from schakel.ports import Vault
from schakel.records import SealPlace

WORKING: Final = "bezig"
RESULTS: Final = "resultaat"
ARCHIVE: Final = "archief"
REFUSED: Final = "geweigerd"
PART: Final = ".part"
SEALED: Final = ".sealed"
RESULT: Final = ".resultaat.csv"
SETTLED: Final = 10.0  # seconds without a change
MAX_FILE: Final = 16 * 1024 * 1024  # bytes; of a larger one only so much is kept
ARCHIVED: Final = "schakel-drop@1"
_IGNORED: Final = frozenset({"desktop.ini", "thumbs.db"})
_TAKEN: Final = re.compile(r"(?P<name>.+)\.(?P<mark>[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})", re.DOTALL)
_LONGEST_NAME: Final = 180  # bytes; with mark and ending it stays a file name
_LINE_ENDS: Final = (b"\n", b"\r", b"\n\0", b"\r\0")  # the last two: UTF-16
_NOT_TEXT: Final = (b"%PDF", b"\xd0\xcf\x11\xe0")  # ends in its own way, and will be refused with a reason


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as one look found it."""

    inode: tuple[int, int]
    size: int
    changed: int  # nanoseconds


@dataclass(frozen=True, slots=True)
class Look:
    """What a look tells. `renamed` and `settled` are names; `still`: seconds without a change, by name, of the rest."""

    renamed: tuple[str, ...]  # was `.part` before: its source says that it is whole
    settled: tuple[str, ...]  # has not changed for ten seconds
    still: dict[str, float]


@dataclass(slots=True)
class Watch:
    """What earlier looks saw."""

    files: dict[str, tuple[Seen, float]] = field(default_factory=dict)  # as it is, since when
    parts: frozenset[tuple[int, int]] = frozenset()  # inodes of files that were called `.part`

    def look(self, found: Mapping[str, Seen], *, at: float) -> Look:
        """`at`: seconds on a clock that never goes back."""
        before, parts = self.files, self.parts
        self.files = {
            name: before[name] if name in before and before[name][0] == seen else (seen, at)
            for name, seen in found.items()
        }
        still = {name: at - since for name, (_, since) in self.files.items()}
        named = [name for name in found if not name.endswith(PART)]
        renamed = tuple(name for name in named if found[name].inode in parts)
        settled = tuple(name for name in named if name not in renamed and still[name] >= SETTLED)
        self.parts = frozenset(seen.inode for name, seen in found.items() if name.endswith(PART) or seen.inode in parts)
        return Look(renamed=renamed, settled=settled, still=still)


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that this process alone works on, until `let_go`."""

    path: Path
    name: str  # as the source called it
    mark: str  # when it was taken, and a random part: in the names of all that comes of it
    handle: BinaryIO

    @property
    def label(self) -> str:
        return f"{self.name}.{self.mark}"

    def let_go(self) -> None:
        """Gives up the lock, once or more often; a file that is still there is taken up again."""
        self.handle.close()


class DropFolder:
    """One source's folder. Blocking: call it from a thread. `partner` is an id of the region."""

    def __init__(self, root: Path, partner: str, *, vault: Vault) -> None:
        self.partner = partner
        self._root = root / partner
        self._vault = vault

    def prepare(self) -> None:
        """Makes the folders that are not there; what is in the clear or sealed is for the hub alone."""
        for name in ("", RESULTS, REFUSED):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        for name in (WORKING, ARCHIVE):
            (self._root / name).mkdir(mode=0o700, exist_ok=True)

    def found(self) -> dict[str, Seen]:
        """Files in the folder itself, hidden ones and links left out, oldest first."""
        files: list[tuple[int, str, Seen]] = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.startswith((".", "~$")) or entry.name.lower() in _IGNORED:
                    continue
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    stat = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                seen = Seen(inode=(stat.st_dev, stat.st_ino), size=stat.st_size, changed=stat.st_mtime_ns)
                files.append((stat.st_mtime_ns, entry.name, seen))
        return {name: seen for _, name, seen in sorted(files)}

    def ended(self, name: str) -> bool:
        """Whether the last line has its end: half a row could miss the very column that hides somebody."""
        try:
            with (self._root / name).open("rb") as file:
                head = file.read(4)
                file.seek(0, io.SEEK_END)
                if head.startswith(xlsx_table.MAGIC):
                    return zipfile.is_zipfile(file)
                file.seek(max(0, file.tell() - 2))
                tail = file.read(2)
        except OSError:
            return False
        return head.startswith(_NOT_TEXT) or tail.endswith(_LINE_ENDS)

    def take(self, name: str, *, now: datetime) -> Taken | None:
        """Makes the file ours. None: somebody else was first, or it is gone."""
        mark = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"
        kept = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
        target = self._root / WORKING / f"{kept}.{mark}"
        try:
            (self._root / name).rename(target)
        except FileNotFoundError:
            return None
        _sync(self._root)
        return self._locked(target)

    def left_behind(self) -> Iterator[Taken]:
        """Files whose taker is gone."""
        for path in sorted((self._root / WORKING).iterdir()):
            taken = self._locked(path)
            if taken is not None:
                yield taken

    def _locked(self, path: Path) -> Taken | None:
        named = _TAKEN.fullmatch(path.name)
        if named is None:
            return None
        try:
            handle = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(handle.fileno()).st_ino:  # else finished by another before we locked it
                return Taken(path=path, name=named["name"], mark=named["mark"], handle=handle)
        except OSError:
            pass  # another hub works on it, or has just finished it
        handle.close()
        return None

    # -- the end of a file

    def finish(self, taken: Taken, result: bytes, *, read: bool, erase_at: datetime) -> None:
        """Archives the original sealed, leaves the result, and only then removes the clear file. Safe to do again.

        `read`: False when nothing in it could be read at all."""
        archive = self._root / (ARCHIVE if read else REFUSED) / f"{taken.label}{SEALED}"
        with taken.path.open("rb") as file:
            original = file.read(MAX_FILE)
        _write(archive, self._seal(taken, original, erase_at), mode=0o600)
        _write(self._root / (RESULTS if read else REFUSED) / f"{taken.label}{RESULT}", result, mode=0o644)
        taken.path.unlink()
        _sync(taken.path.parent)

    def _seal(self, taken: Taken, original: bytes, erase_at: datetime) -> bytes:
        wrapped = self._vault.new_key(taken.mark)
        head = {
            "schema": ARCHIVED,
            "id": taken.mark,
            "partner": self.partner,
            "eraseAt": erase_at.astimezone(UTC).isoformat(),
            "wrappedKey": base64.b64encode(wrapped).decode(),
        }
        sealed = self._vault.seal(wrapped, original, owner=taken.mark, place=_place(taken.mark))
        return json.dumps(head).encode() + b"\n" + sealed

    def erase(self, *, now: datetime, results_before: datetime) -> int:
        """Removes sealed originals past their term and result files from before a moment; the number removed."""
        gone = 0
        for folder in (ARCHIVE, REFUSED):
            for path in sorted((self._root / folder).glob(f"*{SEALED}")):
                with path.open("rb") as file:
                    head = _head(file.readline(4096))
                if head is not None and datetime.fromisoformat(head["eraseAt"]) <= now:
                    path.unlink(missing_ok=True)
                    gone += 1
        for folder in (RESULTS, REFUSED):
            for path in sorted((self._root / folder).glob(f"*{RESULT}")):
                if path.stat().st_mtime < results_before.timestamp():
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone


@dataclass(frozen=True, slots=True)
class Original:
    """An archived file, opened."""

    id: str
    partner: str
    erase_at: str
    content: bytes


def open_sealed(path: Path, vault: Vault) -> Original:
    """Raises Tampered: not an archived file of this hub, or changed."""
    first, _, sealed = path.read_bytes().partition(b"\n")
    head = _head(first)
    if head is None:
        raise Tampered("drop: not an archived file")
    try:
        wrapped = base64.b64decode(head["wrappedKey"], validate=True)
    except binascii.Error:
        raise Tampered("drop: not an archived file") from None
    content = vault.open(wrapped, sealed, owner=head["id"], place=_place(head["id"]))
    return Original(id=head["id"], partner=head["partner"], erase_at=head["eraseAt"], content=content)


def _head(line: bytes) -> dict[str, Any] | None:
    try:
        head = json.loads(line)
    except ValueError:
        return None
    keys = ("id", "partner", "eraseAt", "wrappedKey")
    whole = (
        isinstance(head, dict) and head.get("schema") == ARCHIVED and all(isinstance(head.get(k), str) for k in keys)
    )
    return head if whole else None


def _place(mark: str) -> SealPlace:
    return SealPlace("drop_file", mark, "original")


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """All of it or nothing, on disk when this returns."""
    beside = path.with_name(f".{path.name}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
