# SPDX-License-Identifier: EUPL-1.2
"""Seals payloads and blinds identifiers with keys from a file (mode 0600) that lies outside database and backups.

Three layers: the newest *master key* wraps a *data key* per case, raw referral or secret; the data key seals the bytes
(zstd, then AES-256-GCM). The additional data of the cipher names table, row, purpose, owner and key version: sealed
bytes that were moved or changed do not open. Destroying the wrapped data key makes everything under it unreadable.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schakel.errors import ConfigurationError, Finding, Tampered

KEY_FILE: Final = "schakel-keys@1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # 96 random bits (NIST SP 800-38D); a data key seals far fewer than 2^32 times
_VERSION_BYTES: Final = 2
_LARGEST_PLAIN: Final = 64 * 1024 * 1024
_REFERENCE_CHARACTERS: Final = 26  # 130 bits
_REFERENCE_BYTES: Final = 20  # of the digest, which hold them: whole groups of five
_UNWRAPPED_AT_MOST: Final = 4096  # data keys kept open in memory


class Place(Protocol):
    """Where sealed bytes live (`records.SealPlace`)."""

    @property
    def table(self) -> str: ...
    @property
    def row(self) -> str: ...
    @property
    def purpose(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Keys:
    """The key file, read: master keys by version, and a key per other use."""

    master: dict[int, bytes]
    blinding: bytes
    reference: bytes
    audit: bytes  # ed25519 seed
    audit_id: str


class _Zstd(threading.local):
    """Packs and unpacks. Making a context costs more than using it, and threads cannot share one: each has its own."""

    def __init__(self) -> None:
        self._packer = zstandard.ZstdCompressor(level=1)  # 3 takes half as long again, for 2 % less
        self._unpacker = zstandard.ZstdDecompressor()

    def pack(self, plain: bytes) -> bytes:
        packed: bytes = self._packer.compress(plain)
        return packed

    def unpack(self, packed: bytes) -> bytes:
        """Raises zstandard.ZstdError."""
        plain: bytes = self._unpacker.decompress(packed, max_output_size=_LARGEST_PLAIN)
        return plain


class FileVault:
    """ports.Vault over a key file. Thread-safe; no I/O after start, but to read the file again when a key comes by that
    was wrapped by a newer master key: another process has rotated."""

    def __init__(self, keys: _Keys, again: Callable[[], _Keys] | None = None) -> None:
        self._keys = keys
        self._again = again
        self._newest = max(keys.master)
        self._masters: dict[int, AESGCM] = {version: AESGCM(key) for version, key in keys.master.items()}
        self._open: OrderedDict[tuple[bytes, str], AESGCM] = OrderedDict()
        self._lock = threading.Lock()
        self._zstd = _Zstd()

    @property
    def versions(self) -> int:
        """How many master keys it has."""
        return len(self._masters)

    def new_key(self, owner: str) -> bytes:
        """A new data key for `owner` (a case or raw referral id), wrapped by the newest master key."""
        return self._wrap(secrets.token_bytes(_KEY_BYTES), owner)

    def is_newest(self, wrapped_key: bytes) -> bool:
        """Whether the newest master key wraps it."""
        return int.from_bytes(wrapped_key[:_VERSION_BYTES], "big") == self._newest

    def rewrap(self, wrapped_key: bytes, owner: str) -> bytes:
        """The same data key under the newest master key. Raises Tampered."""
        return self._wrap(self._unwrap(wrapped_key, owner), owner)

    def seal(self, wrapped_key: bytes, plain: bytes, *, owner: str, place: Place) -> bytes:
        """Raises Tampered when the key is not this owner's."""
        cipher = self._data_key(wrapped_key, owner)
        version = wrapped_key[:_VERSION_BYTES]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        packed = self._zstd.pack(plain)
        return version + nonce + cipher.encrypt(nonce, packed, _sealed_at(place, version, owner))

    def open(self, wrapped_key: bytes, sealed: bytes, *, owner: str, place: Place) -> bytes:
        """Raises Tampered."""
        cipher = self._data_key(wrapped_key, owner)
        version, nonce, body = _split(sealed)
        try:
            packed = cipher.decrypt(nonce, body, _sealed_at(place, version, owner))
            return self._zstd.unpack(packed)
        except (InvalidTag, zstandard.ZstdError):
            raise Tampered(f"{place.table}.{place.purpose}") from None

    def blind(self, kind: str, *parts: str) -> bytes:
        """A keyed hash (32 bytes) of an identifier; `kind` separates uses."""
        message = _fields(kind.encode(), *(part.encode() for part in parts))
        return hmac.digest(self._keys.blinding, message, "sha256")

    def reference(self, kind: str, row: str) -> str:
        """26 base32 characters for the outside world (answer and case references)."""
        digest = hmac.digest(self._keys.reference, _fields(kind.encode(), row.encode()), "sha256")
        return base64.b32encode(digest[:_REFERENCE_BYTES]).decode()[:_REFERENCE_CHARACTERS]

    def checkpoint_signer(self) -> CheckpointKey:
        """Signs and checks the audit chain's checkpoints."""
        return CheckpointKey(self._keys.audit, self._keys.audit_id)

    def _wrap(self, key: bytes, owner: str) -> bytes:
        version = self._newest.to_bytes(_VERSION_BYTES, "big")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return version + nonce + self._masters[self._newest].encrypt(nonce, key, _wrapped_for(owner, version))

    def _unwrap(self, wrapped_key: bytes, owner: str) -> bytes:
        version, nonce, body = _split(wrapped_key)
        master = self._master(int.from_bytes(version, "big"))
        if master is None:
            raise Tampered("data key: unknown master key version")
        try:
            return master.decrypt(nonce, body, _wrapped_for(owner, version))
        except InvalidTag:
            raise Tampered("data key: not this owner's or changed") from None

    def _master(self, version: int) -> AESGCM | None:
        known = self._masters.get(version)
        if known is not None or version <= self._newest or self._again is None:
            return known
        try:
            keys = self._again()
        except ConfigurationError:  # the file is being replaced or is gone: the caller hears that the key does not open
            return None
        self._masters = {number: AESGCM(key) for number, key in keys.master.items()}
        self._newest = max(keys.master)
        return self._masters.get(version)

    def _data_key(self, wrapped_key: bytes, owner: str) -> AESGCM:
        known = (wrapped_key, owner)
        with self._lock:
            cipher = self._open.get(known)
            if cipher is not None:
                self._open.move_to_end(known)
                return cipher
        cipher = AESGCM(self._unwrap(wrapped_key, owner))
        with self._lock:
            self._open[known] = cipher
            if len(self._open) > _UNWRAPPED_AT_MOST:
                self._open.popitem(last=False)
        return cipher


class CheckpointKey:
    """An ed25519 key: `sign` by the hub, `check` by whoever holds the key file or the public key."""

    def __init__(self, seed: bytes, key_id: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key_id = key_id

    @property
    def public(self) -> bytes:
        """32 bytes; safe to hand to an auditor."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def check(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """audit.SignatureCheck."""
        return key_id == self.key_id and signature_holds(self.public, message, signature)


def signature_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that ed25519 key's over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


# -- the key file ------------------------------------------------------------------------------------------------------


def create_key_file(path: Path) -> None:
    """Makes new keys in a new file, mode 0600, on disk when this returns.

    Raises ConfigurationError when the file exists: keys are never written over.
    """
    content = {
        "format": KEY_FILE,
        "master": {"1": _new_secret()},
        "blinding": _new_secret(),
        "reference": _new_secret(),
        "audit": {"id": f"audit-{secrets.token_hex(4)}", "ed25519": _new_secret()},
    }
    try:
        _write_new(path, content)
    except FileExistsError:
        raise _wrong(path, "keys:exists", "Er zijn al sleutels", "There are keys already") from None


def add_master_key(path: Path) -> int:
    """Rotation: adds a master key that wraps from the next start on; older ones still open. Returns its version."""
    _read_keys(path)
    content = json.loads(path.read_bytes())
    version = max(int(known) for known in content["master"]) + 1
    content["master"][str(version)] = _new_secret()
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _write_new(beside, content)
    beside.replace(path)
    _sync_folder(path.parent)
    return version


def open_vault(path: Path) -> FileVault:
    """Reads the key file. Raises ConfigurationError: absent, readable by others, or not a key file."""
    return FileVault(_read_keys(path), lambda: _read_keys(path))


def _read_keys(path: Path) -> _Keys:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _wrong(
            path,
            "keys:absent",
            "Er is geen sleutelbestand. Was het er wel: zet het terug uit de kluis. Nieuwe hub: `schakel init`",
            "There is no key file. If there was one: put it back from the safe. A new hub: `schakel init`",
        ) from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o177:
        raise _wrong(
            path, "keys:mode-0600", "Alleen de eigenaar mag lezen (0600)", "Only its owner may read it (mode 0600)"
        )
    try:
        return _keys(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise _wrong(path, "keys:format", "Dit is geen sleutelbestand", "This is not a key file") from None


def _keys(content: Any) -> _Keys:
    if content["format"] != KEY_FILE or not content["master"]:
        raise ValueError(KEY_FILE)
    return _Keys(
        master={_version(version): _secret(key) for version, key in content["master"].items()},
        blinding=_secret(content["blinding"]),
        reference=_secret(content["reference"]),
        audit=_secret(content["audit"]["ed25519"]),
        audit_id=str(content["audit"]["id"]),
    )


def _version(text: str) -> int:
    version = int(text)
    if not 0 < version < 2 ** (8 * _VERSION_BYTES):
        raise ValueError("version")
    return version


def _secret(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError("length")
    return key


def _new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _write_new(path: Path, content: dict[str, Any]) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(json.dumps(content, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _wrong(path: Path, rule: str, nl: str, en: str) -> ConfigurationError:
    return ConfigurationError(Finding(str(path), rule, nl, en))


# -- what the cipher binds ---------------------------------------------------------------------------------------------


def _fields(*parts: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def _wrapped_for(owner: str, version: bytes) -> bytes:
    return _fields(b"schakel-data-key@1", version, owner.encode())


def _sealed_at(place: Place, version: bytes, owner: str) -> bytes:
    return _fields(
        b"schakel-sealed@1", place.table.encode(), place.row.encode(), place.purpose.encode(), version, owner.encode()
    )


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Version, nonce, ciphertext."""
    head = _VERSION_BYTES + _NONCE_BYTES
    if len(data) <= head:
        raise Tampered("sealed bytes: too short")
    return data[:_VERSION_BYTES], data[_VERSION_BYTES:head], data[head:]
