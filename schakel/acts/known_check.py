# SPDX-License-Identifier: EUPL-1.2
"""Check op bekendheid: the lead asks organisations whether a person is known to them, one by one; known, unknown, or no
answer in time (S4).

One matter for each person at each organisation. A partner learns who the person is, and nothing else; that it knows
somebody makes it no part of the case. A person that the role may not learn of is not asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from schakel.acts.asking import may_be_asked
from schakel.acts.reading import LONGEST
from schakel.acts.refusals import refused
from schakel.acts.tools import (
    CLOCK,
    Tools,
    answered,
    entry,
    lead_of,
    matter_of,
    must_run,
    repeated,
    role_of,
    seal,
    started,
    terms_of,
    together,
    told_lead,
)
from schakel.case_secrecy import open_secrecy
from schakel.disclosure import Disclosure, Secrecy
from schakel.ledger_records import Act, CaseLedger, EndedDeadline, LedgerDecision, Matter, NewMatter, Transition
from schakel.message import CaseMessage
from schakel.notice_view import identification
from schakel.notices import KNOWN_CHECK_ANSWERED, KNOWN_CHECK_ASKED
from schakel.records import SealPlace, ToldSource
from schakel.region import PARTNER, Partner
from schakel.states import KnownCheckState, Machine, Role, next_state

KNOWN_CHECK: Final = Machine.KNOWN_CHECK.value
MOST: Final = 200  # questions in one act
WORDS: Final = {"known": "know", "unknown": "not-know"}
SAYS_NOTHING: Final = frozenset({"received", "noted"})  # it has the question, and no answer yet


def known_check(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`partners`, `members` (ids in the case's newest message). What is open already is not asked again."""
    partners = [_partner(case, tools, name) for name in _names(act, "partners")]
    members = _names(act, "members")
    if len(partners) * len(members) > MOST:
        raise refused("known-check:too-many", "members")
    message = _message(case, tools)
    secrecy = _secrecy(case, tools)
    disclosure = Disclosure(tools.region.disclosure, blind=tools.vault.blind)
    before = _before(case, tools)
    asked: list[LedgerDecision] = []
    for partner in partners:
        for member in members:
            _may_learn_of(disclosure, message, member, partner, case, secrecy)
            earlier = before.get((partner.id, member), ())
            if not any(one.state == KnownCheckState.ASKED for one in earlier):
                asked.append(_asked(act, case, tools, partner, member, earlier))
    if not asked:
        return repeated()
    round_ = entry(act, case, tools, subject=act.id, event="ask")
    return together([LedgerDecision(entries=(round_,), made={"id": act.id, "asked": str(len(asked))}), *asked])


def _asked(
    act: Act, case: CaseLedger, tools: Tools, partner: Partner, member: str, earlier: Sequence[Matter]
) -> LedgerDecision:
    """One question. The clocks of earlier ones to the same organisation about the same person end with it."""
    assert case.newest_message is not None
    matter_id = tools.new_id()
    clocks = started(
        case, tools, subject=matter_id, event=KNOWN_CHECK_ASKED, partner=partner.id, role=PARTNER, at=act.at
    )
    (clock,) = [one for one in must_run(clocks, KNOWN_CHECK) if one.kind == KNOWN_CHECK]
    terms = {"member": member, "message": case.newest_message, "round": act.id}
    matter = NewMatter(
        id=matter_id,
        machine=KNOWN_CHECK,
        event="ask",
        by_role=role_of(act, case).value,
        by=act.actor,
        partner=partner.id,
        role=PARTNER,
        reference=tools.vault.reference("matter", matter_id),
        case_reference=tools.vault.reference("case", f"{case.id}:{partner.id}"),
        valid_from=act.at,
        valid_until=clock.due_at,
        sealed=seal(case, tools, "matter", matter_id, "terms", terms),
    )
    delivery = tools.notices.notice(
        KNOWN_CHECK_ASKED, matter_id, partner.id, PARTNER, case.urgency, programme=case.programme
    )
    return LedgerDecision(
        matters=(matter,),
        entries=(entry(act, case, tools, subject=matter_id, event="ask", words={}, entry_id=tools.new_id()),),
        ended=tuple(EndedDeadline(one.id, "ask", KNOWN_CHECK) for one in earlier),
        deadlines=clocks,
        deliveries=(ToldSource(case.newest_message, delivery),),
    )


# -- what comes back ---------------------------------------------------------------------------------------------------


def known_check_answered(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """`answer`: known or unknown. Also after the deadline, and also another answer than before: the lead hears each."""
    matter = matter_of(case, act.reference, act.actor)
    said = act.fields.get("answer")
    if matter is None:
        raise refused("act:only-its-own", "reference")
    if said in SAYS_NOTHING:
        return repeated(id=matter.id, state=matter.state)
    if said not in WORDS:
        raise refused("known-check:answer", "answer")
    _text(act, "reasonText")
    return _moved(act, case, tools, matter, WORDS[said], Role.RECIPIENT)


def known_check_lapsed(act: Act, case: CaseLedger, tools: Tools) -> LedgerDecision:
    """The deadline went by. The ladder goes on until there is an answer, or somebody has the alarm."""
    matter = matter_of(case, str(act.fields.get("matter", "")))
    if matter is None or matter.state != KnownCheckState.ASKED:
        return repeated()
    if matter.valid_until is None or matter.valid_until > act.at:
        return repeated()
    role = Role.CLOCK if act.actor == CLOCK else Role.HUB
    return _moved(act, case, tools, matter, "lapse", role)


def _moved(act: Act, case: CaseLedger, tools: Tools, matter: Matter, event: str, role: Role) -> LedgerDecision:
    state = next_state(Machine.KNOWN_CHECK, matter.state, event, role)
    if state is None:  # said before
        return repeated(id=matter.id, state=matter.state)
    made = told_lead(case, tools, KNOWN_CHECK_ANSWERED, act.id)
    about = terms_of(case, tools, matter).get("message")
    return LedgerDecision(
        moves=(Transition(KNOWN_CHECK, matter.id, event, role.value, act.actor),),
        entries=(entry(act, case, tools, subject=matter.id, event=event),),
        ended=() if event == "lapse" else answered(case, matter.id, event),
        # the person stands in the message that was asked about, under the id that it has there
        deliveries=tuple(replace(one, message_id=about or one.message_id) for one in made),
        made={"id": matter.id, "state": state},
    )


# -- who may be asked about whom ---------------------------------------------------------------------------------------


def _partner(case: CaseLedger, tools: Tools, name: str) -> Partner:
    """An organisation that may be asked; nobody of the household's own network, and not who leads."""
    partner = may_be_asked(case, tools, name, PARTNER)
    if partner.kind == "network":
        raise refused("known-check:no-organisation", "partners")
    lead = lead_of(case)
    if lead is not None and lead.partner == partner.id:
        raise refused("ask:itself", "partners")
    return partner


def _may_learn_of(
    disclosure: Disclosure, message: CaseMessage, member: str, partner: Partner, case: CaseLedger, secrecy: Secrecy
) -> None:
    person = next((one for one in message.members if one.id == member), None)
    if person is None:
        raise refused("known-check:no-such-member", "members")
    if person.unborn:
        raise refused("known-check:unborn", "members")
    shown = identification(
        disclosure, message, member, role=PARTNER, programme=case.programme, recipient=partner, secrecy=secrecy
    )
    if shown is None:
        raise refused("known-check:not-for-this-role", "members")


def _before(case: CaseLedger, tools: Tools) -> dict[tuple[str, str], tuple[Matter, ...]]:
    """The earlier questions by organisation and person."""
    found: dict[tuple[str, str], tuple[Matter, ...]] = {}
    for one in case.matters:
        if one.machine == KNOWN_CHECK:
            key = (one.partner, str(terms_of(case, tools, one).get("member", "")))
            found[key] = (*found.get(key, ()), one)
    return found


# -- reading -----------------------------------------------------------------------------------------------------------


def _message(case: CaseLedger, tools: Tools) -> CaseMessage:
    if case.newest_message is None or case.content is None:
        raise refused("act:nothing-routed")
    place = SealPlace("message", case.newest_message, "content")
    return CaseMessage.model_validate_json(tools.vault.open(case.wrapped_key, case.content, owner=case.id, place=place))


def _secrecy(case: CaseLedger, tools: Tools) -> Secrecy:
    return open_secrecy(tools.vault, case.secrecy, case_id=case.id, wrapped_key=case.wrapped_key)


def _names(act: Act, name: str) -> list[str]:
    """A list of names, each once, at least one."""
    given: Any = act.fields.get(name)
    if given is None or given == [] or given == ():
        raise refused("act:field-missing", name)
    if not isinstance(given, list | tuple) or len(given) > MOST:
        raise refused("act:field-wrong", name)
    if not all(isinstance(each, str) and 0 < len(each) <= 64 for each in given):
        raise refused("act:field-wrong", name)
    return list(dict.fromkeys(given))


def _text(act: Act, name: str) -> None:
    value = act.fields.get(name)
    if value is not None and not (isinstance(value, str) and len(value) <= LONGEST):
        raise refused("act:field-wrong", name)
