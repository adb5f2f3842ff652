# SPDX-License-Identifier: EUPL-1.2
"""The register of channels: how content reaches a recipient. One file and one line here per channel."""

from __future__ import annotations

from connectors.channels.address import address_rule
from connectors.channels.mailbox import MailboxChannel
from connectors.channels.post import Poster
from connectors.channels.stuf import StufChannel
from connectors.channels.webhook import WebhookChannel
from schakel.ports import Channel
from schakel.settings import Settings


def channels(*, settings: Settings, hub_oin: str) -> dict[str, Channel]:
    """Every channel by its name, as a partner's `receives.channel` says it. Raises ConfigurationError."""
    poster = Poster(rule=address_rule(settings.webhook_networks), total_seconds=settings.send_timeout)
    made: tuple[Channel, ...] = (
        WebhookChannel(poster=poster, hub_oin=hub_oin, public_url=settings.public_url),
        StufChannel(poster=poster),
        MailboxChannel(),
    )
    return {channel.name: channel for channel in made}
