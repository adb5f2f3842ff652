# SPDX-License-Identifier: EUPL-1.2
"""The outermost layer: headers on every answer, preflights, and no exception that gets past us."""

from __future__ import annotations

import secrets
from typing import Final
from uuid import UUID

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import failure
from schakel.log import Log

API_VERSION: Final = "1.0.0"

# NL API Design Rules: transport security and CORS modules, and the version on every answer
HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"api-version", API_VERSION.encode()),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"API-Version, Content-Digest, ETag, Last-Modified, Retry-After, Accept-Post"),
)
PARTS: Final = frozenset(
    {"referrals", "answers", "cases", "mailbox", "messages", "requests", "fhir", "livez", "readyz"}
)
PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, PUT, PATCH",
    "access-control-allow-headers": "Accept, Authorization, Content-Type, If-Match, If-None-Match",
    "access-control-max-age": "86400",
}


class Guard:
    """Answers 500 with a mark and logs class and place of the exception under that mark; its words go nowhere."""

    def __init__(self, app: ASGIApp, *, log: Log) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._log.debug("request.answered", status=message["status"], kind=_part(scope["path"]))
                given = [pair for pair in message.get("headers", ()) if pair[0] not in _OURS]
                message = {**message, "headers": [*given, *HEADERS]}
            await send(message)

        if scope["method"] == "OPTIONS" and _asks_preflight(scope):
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except ClientDisconnect:
            return
        except Exception as error:
            mark = str(UUID(bytes=secrets.token_bytes(16), version=4))
            self._log.error("request.failed", request=mark, exc_info=error)
            if not started:  # else the server closes the half-written answer
                await failure(mark)(scope, receive, send_guarded)


def _part(path: str) -> str:
    """Which part of the interface; what is none of ours is not repeated."""
    first, second, *_ = [*path.split("/")[1:3], "", ""]
    part = second if first == "v1" else first
    return part if part in PARTS else "other"


_OURS: Final = frozenset(name for name, _ in HEADERS)


def _asks_preflight(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
