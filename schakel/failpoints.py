# SPDX-License-Identifier: EUPL-1.2
"""Named points at which a test kills the process, to prove that nothing accepted is lost; costs nothing unarmed.

Each commit boundary has its points: just before COMMIT (nothing may be left of the work) and just after it, before
anybody was told (all of the work must be there). `SCHAKEL_FAILPOINT` arms one by name. Every name in `Failpoint` must
be hit by a test. Commits of one row that promises nothing to anybody (a renewed lease, a key, who read what) have none.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from schakel.errors import ConfigurationError, Finding


class Failpoint(StrEnum):
    """All points; the part before the dot is the work, `store.*` names the store's own transactions."""

    STORE_ACCEPT_BEFORE_COMMIT = "store.accept.before-commit"
    STORE_ACCEPT_AFTER_COMMIT = "store.accept.after-commit"
    STORE_CLAIM_BEFORE_COMMIT = "store.claim.before-commit"
    STORE_CLAIM_AFTER_COMMIT = "store.claim.after-commit"
    STORE_RENDER_BEFORE_COMMIT = "store.render.before-commit"
    STORE_RENDER_AFTER_COMMIT = "store.render.after-commit"
    STORE_FINISH_BEFORE_COMMIT = "store.finish.before-commit"
    STORE_FINISH_AFTER_COMMIT = "store.finish.after-commit"
    STORE_RECEIVE_BEFORE_COMMIT = "store.receive.before-commit"
    STORE_RECEIVE_AFTER_COMMIT = "store.receive.after-commit"
    STORE_ANSWER_BEFORE_COMMIT = "store.answer.before-commit"
    STORE_ANSWER_AFTER_COMMIT = "store.answer.after-commit"
    STORE_ACT_BEFORE_COMMIT = "store.act.before-commit"  # something is said or done in a case
    STORE_ACT_AFTER_COMMIT = "store.act.after-commit"
    STORE_SETTLE_BEFORE_COMMIT = "store.settle.before-commit"
    STORE_SETTLE_AFTER_COMMIT = "store.settle.after-commit"
    STORE_SUPERSEDE_BEFORE_COMMIT = "store.supersede.before-commit"
    STORE_SUPERSEDE_AFTER_COMMIT = "store.supersede.after-commit"
    STORE_SUGGEST_BEFORE_COMMIT = "store.suggest.before-commit"  # a person joins two cases or keeps them apart
    STORE_SUGGEST_AFTER_COMMIT = "store.suggest.after-commit"
    STORE_REMIND_BEFORE_COMMIT = "store.remind.before-commit"
    STORE_REMIND_AFTER_COMMIT = "store.remind.after-commit"
    STORE_ALARM_BEFORE_COMMIT = "store.alarm.before-commit"  # an alarm is raised or due
    STORE_ALARM_AFTER_COMMIT = "store.alarm.after-commit"
    STORE_TOLD_BEFORE_COMMIT = "store.told.before-commit"  # a human was told
    STORE_TOLD_AFTER_COMMIT = "store.told.after-commit"
    STORE_ERASE_BEFORE_COMMIT = "store.erase.before-commit"  # what is past its term goes
    STORE_ERASE_AFTER_COMMIT = "store.erase.after-commit"
    STORE_LINK_BEFORE_COMMIT = "store.link.before-commit"
    STORE_LINK_AFTER_COMMIT = "store.link.after-commit"
    INTAKE_BEFORE_ACCEPT = "intake.before-accept"  # read and mapped, nothing kept yet
    INTAKE_AFTER_ACCEPT = "intake.after-accept"  # kept; the sender has not been told and no bell has rung
    DISPATCH_AFTER_CLAIM = "dispatch.after-claim"
    DISPATCH_AFTER_RENDER = "dispatch.after-render"  # rendered and kept, not sent
    DISPATCH_AFTER_SEND = "dispatch.after-send"  # the recipient has it, we have not written so
    DISPATCH_AFTER_FINISH = "dispatch.after-finish"


_armed: list[Failpoint] = []  # at most one; filled by `arm` at start, read by `hit`


def arm(name: str) -> None:
    """Arms the point of that name; an empty name disarms. Raises ConfigurationError for an unknown name."""
    _armed.clear()
    if not name:
        return
    try:
        _armed.append(Failpoint(name))
    except ValueError:
        known = ", ".join(Failpoint)
        raise ConfigurationError(
            Finding(
                "SCHAKEL_FAILPOINT",
                "failpoint:unknown",
                f"Deze naam is er niet; wel: {known}",
                f"No such name; there are: {known}",
            )
        ) from None


def hit(point: Failpoint) -> None:
    """Kills this process with SIGKILL when the point is armed: no handler runs, nothing is flushed."""
    if _armed and _armed[0] is point:
        os.kill(os.getpid(), signal.SIGKILL)
