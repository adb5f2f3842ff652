# SPDX-License-Identifier: EUPL-1.2
"""The suite that every vault passes: what is sealed opens in its place and nowhere else; blinding keeps uses apart."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schakel.errors import Tampered
from schakel.ports import Vault
from schakel.records import SealPlace

PLACE = SealPlace("message", "m-1", "content")
ON_ONE_VAULT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


class VaultSuite:
    """Subclass it once per vault adapter, with a `vault` fixture."""

    @pytest.fixture
    def vault(self) -> Vault:
        raise NotImplementedError

    @ON_ONE_VAULT
    @given(plain=st.binary(max_size=5000), owner=st.text(max_size=60))
    def test_what_is_sealed_opens_again(self, vault: Vault, plain: bytes, owner: str) -> None:
        key = vault.new_key(owner)
        assert vault.open(key, vault.seal(key, plain, owner=owner, place=PLACE), owner=owner, place=PLACE) == plain

    @pytest.mark.parametrize("part", ["table", "row", "purpose"])
    def test_it_opens_nowhere_else(self, vault: Vault, part: str) -> None:
        key = vault.new_key("case-1")
        sealed = vault.seal(key, b"text", owner="case-1", place=PLACE)
        with pytest.raises(Tampered):
            vault.open(key, sealed, owner="case-1", place=replace(PLACE, **{part: "other"}))

    def test_parts_of_a_place_do_not_flow_into_each_other(self, vault: Vault) -> None:
        key = vault.new_key("case-1")
        sealed = vault.seal(key, b"text", owner="case-1", place=SealPlace("ab", "c", "d"))
        with pytest.raises(Tampered):
            vault.open(key, sealed, owner="case-1", place=SealPlace("a", "bc", "d"))

    def test_a_key_is_its_owners(self, vault: Vault) -> None:
        key, other = vault.new_key("case-1"), vault.new_key("case-2")
        sealed = vault.seal(key, b"text", owner="case-1", place=PLACE)
        for wrong_key, wrong_owner in ((key, "case-2"), (other, "case-1"), (other, "case-2")):
            with pytest.raises(Tampered):
                vault.open(wrong_key, sealed, owner=wrong_owner, place=PLACE)

    @ON_ONE_VAULT
    @given(data=st.data())
    def test_every_changed_byte_is_noticed(self, vault: Vault, data: st.DataObject) -> None:
        key = vault.new_key("case-1")
        sealed = bytearray(vault.seal(key, b"some text", owner="case-1", place=PLACE))
        changed = bytearray(key)
        target = data.draw(st.sampled_from([sealed, changed]))
        target[data.draw(st.integers(0, len(target) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(Tampered):
            vault.open(bytes(changed), bytes(sealed), owner="case-1", place=PLACE)

    @pytest.mark.parametrize("length", [0, 1, 13, 14, 20])
    def test_what_is_cut_off_does_not_open(self, vault: Vault, length: int) -> None:
        key = vault.new_key("case-1")
        sealed = vault.seal(key, b"some text", owner="case-1", place=PLACE)
        with pytest.raises(Tampered):
            vault.open(key, sealed[:length], owner="case-1", place=PLACE)
        with pytest.raises(Tampered):
            vault.open(key[:length], sealed, owner="case-1", place=PLACE)

    def test_the_same_text_never_looks_the_same(self, vault: Vault) -> None:
        key = vault.new_key("case-1")
        assert len({vault.seal(key, b"text", owner="case-1", place=PLACE) for _ in range(50)}) == 50
        assert len({vault.new_key("case-1") for _ in range(50)}) == 50

    def test_nothing_of_the_text_shows(self, vault: Vault) -> None:
        key = vault.new_key("case-1")
        assert b"Regentesselaan" not in vault.seal(key, b"Regentesselaan" * 20, owner="case-1", place=PLACE)

    @ON_ONE_VAULT
    @given(kind=st.text(max_size=9), parts=st.lists(st.text(max_size=9), max_size=4))
    def test_blinding_is_the_same_each_time(self, vault: Vault, kind: str, parts: list[str]) -> None:
        blinded = vault.blind(kind, *parts)
        assert blinded == vault.blind(kind, *parts)
        assert len(blinded) == 32

    def test_blinding_keeps_kinds_and_parts_apart(self, vault: Vault) -> None:
        same = [
            ("bsn", "1", "2"),
            ("bsn", "12"),
            ("bsn", "1", "2", ""),
            ("bsn1", "2"),
            ("order", "1", "2"),
            ("bsn", "21"),
        ]
        assert len({vault.blind(kind, *parts) for kind, *parts in same}) == len(same)

    def test_a_reference_is_26_base32_characters_and_its_own(self, vault: Vault) -> None:
        one = vault.reference("request", "r-1")
        assert re.fullmatch(r"[A-Z2-7]{26}", one)
        assert one == vault.reference("request", "r-1")
        assert len({one, vault.reference("case", "r-1"), vault.reference("request", "r-2")}) == 3

    def test_threads_may_share_it(self, vault: Vault) -> None:
        keys = [(f"case-{number}", vault.new_key(f"case-{number}")) for number in range(8)]
        wrong: list[str] = []

        def work() -> None:
            for owner, key in keys * 25:
                sealed = vault.seal(key, owner.encode(), owner=owner, place=PLACE)
                if vault.open(key, sealed, owner=owner, place=PLACE) != owner.encode():
                    wrong.append(owner)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
