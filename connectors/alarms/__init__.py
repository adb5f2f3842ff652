# SPDX-License-Identifier: EUPL-1.2
"""The register of alarm senders: how a human is reached. One file and one line here per way."""

from __future__ import annotations

import base64

from connectors.alarms.webhook import WebhookAlarm
from connectors.channels.address import address_rule
from schakel.errors import ConfigurationError, Finding
from schakel.ports import AlarmSender, Clock, SigningSecret
from schakel.settings import Settings


def alarms(*, settings: Settings, hub_oin: str, clock: Clock) -> dict[str, AlarmSender]:
    """Every way by its name: `smtp` for `mail` of a region's alarm route, where there is a mail server;
    `webhook` for its `webhooks`."""
    mail: tuple[AlarmSender, ...] = ()
    if settings.smtp_host:
        from connectors.alarms.smtp import SmtpAlarm  # its library is 4 MB

        mail = (SmtpAlarm(settings),)
    made: tuple[AlarmSender, ...] = (
        *mail,
        WebhookAlarm(
            rule=address_rule(settings.webhook_networks),
            hub_oin=hub_oin,
            secrets=_secrets(settings.alarm_secret.get_secret_value()),
            clock=clock,
        ),
    )
    return {sender.name: sender for sender in made}


def _secrets(text: str) -> tuple[SigningSecret, ...]:
    """`whsec_` and base64, as Standard Webhooks writes a secret; empty: none."""
    if not text:
        return ()
    try:
        value = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        value = b""
    if not 24 <= len(value) <= 64:
        raise ConfigurationError(
            Finding(
                "SCHAKEL_ALARM_SECRET",
                "secret",
                "whsec_ gevolgd door base64 van 24 tot 64 bytes",
                "whsec_ followed by base64 of 24 to 64 bytes",
            )
        )
    return (SigningSecret("v1", value),)
