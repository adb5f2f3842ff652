# SPDX-License-Identifier: EUPL-1.2
"""The socket on which the door listens."""

from __future__ import annotations

import contextlib
import socket

from api.listening import listen


def test_an_answer_never_waits_for_the_acknowledgement_of_its_head() -> None:
    made = listen("127.0.0.1", 0)
    made.setblocking(True)
    made.settimeout(30)
    with contextlib.closing(made), socket.create_connection(made.getsockname(), 30):
        accepted, _ = made.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
