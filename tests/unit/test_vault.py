# SPDX-License-Identifier: EUPL-1.2
"""The key file: who may read it, what it must hold, rotation, and what stays in memory."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from schakel.errors import ConfigurationError, Tampered
from schakel.records import SealPlace
from schakel.vault import add_master_key, create_key_file, open_vault, signature_holds

PLACE = SealPlace("message", "m-1", "content")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    create_key_file(path)
    return path


def test_it_is_made_for_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_never_written_over(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="keys:exists"):
        create_key_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o601, 0o700])
def test_a_file_that_others_may_read_is_refused_by_name_and_rule(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        open_vault(path)
    (finding,) = refused.value.findings
    assert (finding.place, finding.rule) == (str(path), "keys:mode-0600")


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="schakel init"):
        open_vault(tmp_path / "none.json")


def _without(name: str) -> object:
    return lambda content: content.pop(name)


@pytest.mark.parametrize(
    "change",
    [
        *(_without(name) for name in ("format", "master", "blinding", "reference", "audit")),
        lambda content: content.update(format="other@1"),
        lambda content: content.update(master={}),
        lambda content: content.update(master={"0": content["blinding"]}),
        lambda content: content.update(master={"65536": content["blinding"]}),
        lambda content: content.update(master={"one": content["blinding"]}),
        lambda content: content.update(blinding="c2hvcnQ="),
        lambda content: content.update(blinding="not base64"),
        lambda content: content.update(audit="no"),
    ],
)
def test_what_is_no_key_file_is_refused_without_saying_what_it_holds(path: Path, change: object) -> None:
    content = json.loads(path.read_text())
    secrets = [content["blinding"], content["reference"], content["master"]["1"]]
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="keys:format") as refused:
        open_vault(path)
    assert not any(secret in str(refused.value) for secret in secrets)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_no_json_object_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="keys:format"):
        open_vault(path)


def test_after_rotation_the_old_opens_and_the_newest_wraps(path: Path) -> None:
    before = open_vault(path)
    key = before.new_key("case-1")
    sealed = before.seal(key, b"text", owner="case-1", place=PLACE)
    assert add_master_key(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    after = open_vault(path)
    assert after.open(key, sealed, owner="case-1", place=PLACE) == b"text"
    assert (key[:2], after.new_key("case-1")[:2]) == (b"\x00\x01", b"\x00\x02")
    moved = after.rewrap(key, "case-1")
    assert moved[:2] == b"\x00\x02"
    assert after.open(moved, sealed, owner="case-1", place=PLACE) == b"text"
    assert before.new_key("case-1")[:2] == b"\x00\x01"  # it does not know yet that somebody rotated
    assert before.open(moved, sealed, owner="case-1", place=PLACE) == b"text"  # now it has read the file again
    assert before.new_key("case-1")[:2] == b"\x00\x02"
    assert after.blind("bsn", "1") == before.blind("bsn", "1")
    assert after.reference("case", "1") == before.reference("case", "1")


def test_a_master_key_that_is_nowhere_opens_nothing_and_a_file_that_is_gone_harms_nothing(path: Path) -> None:
    vault = open_vault(path)
    key = vault.new_key("case-1")
    sealed = vault.seal(key, b"text", owner="case-1", place=PLACE)
    stranger = b"\x00\x07" + key[2:]
    with pytest.raises(Tampered):
        vault.open(stranger, sealed, owner="case-1", place=PLACE)
    path.unlink()
    with pytest.raises(Tampered):
        vault.open(stranger, sealed, owner="case-1", place=PLACE)
    assert vault.open(key, sealed, owner="case-1", place=PLACE) == b"text"


def test_keys_of_another_file_open_nothing(path: Path, tmp_path: Path) -> None:
    create_key_file(tmp_path / "other.json")
    vault, other = open_vault(path), open_vault(tmp_path / "other.json")
    key = vault.new_key("case-1")
    sealed = vault.seal(key, b"text", owner="case-1", place=PLACE)
    with pytest.raises(Tampered):
        other.open(key, sealed, owner="case-1", place=PLACE)
    assert vault.blind("bsn", "1") != other.blind("bsn", "1")
    assert vault.reference("case", "1") != other.reference("case", "1")


def test_only_so_many_keys_stay_open_in_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schakel.vault._UNWRAPPED_AT_MOST", 3)
    vault = open_vault(path)
    keys = {f"case-{number}": vault.new_key(f"case-{number}") for number in range(9)}
    sealed = {owner: vault.seal(key, b"text", owner=owner, place=PLACE) for owner, key in keys.items()}
    assert all(vault.open(keys[owner], sealed[owner], owner=owner, place=PLACE) == b"text" for owner in keys)
    assert len(vault._open) == 3


def test_a_larger_text_shrinks(path: Path) -> None:
    vault = open_vault(path)
    key = vault.new_key("case-1")
    assert len(vault.seal(key, b"the same words " * 1000, owner="case-1", place=PLACE)) < 1000


def test_a_checkpoint_is_signed_and_checked(path: Path) -> None:
    signer = open_vault(path).checkpoint_signer()
    signature = signer.sign(b"message")
    assert signer.check(signer.key_id, b"message", signature)
    assert signature_holds(signer.public, b"message", signature)
    assert not signer.check(signer.key_id, b"other", signature)
    assert not signer.check("another-key", b"message", signature)
    assert not signer.check(signer.key_id, b"message", b"short")
