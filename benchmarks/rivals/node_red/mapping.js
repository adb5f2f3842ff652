// SPDX-License-Identifier: EUPL-1.2
// `mappings/thv_aanmelding` as a programmer would write it in JavaScript: benchmarks/by_hand.py, line by line.
"use strict";

const LOCAL = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Europe/Amsterdam", hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
  hour: "numeric", minute: "numeric", second: "numeric",
});

function moment(text) {
  if (text === undefined || text === "") return undefined;
  const offset = /(Z|[+-]\d\d:?\d\d)$/.test(text) && text.length > 10;
  const at = offset ? Date.parse(text) : local(text);
  if (Number.isNaN(at)) throw new RangeError("moment: not a date and time");
  return new Date(at).toISOString().replace(".000Z", "Z");
}

// A time without an offset is Dutch local time.
function local(text) {
  const asUtc = Date.parse(text.length === 10 ? text : `${text}Z`);
  let at = asUtc;
  for (let pass = 0; pass < 2; pass++) {
    const part = Object.fromEntries(LOCAL.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    at += asUtc - Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second, new Date(at).getUTCMilliseconds());
  }
  return at;
}

const PARTIAL = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?|(\d\d)(\d\d))?$/;

function partialDate(text) {
  if (text === undefined || text === "") return undefined;
  const match = PARTIAL.exec(text);
  if (!match) throw new RangeError("partialDate: not a (partly known) date");
  const year = match[1], month = match[2] || match[4] || "00", day = match[3] || match[5] || "00";
  if (year === "0000" || year === "9999") return { precision: "unknown" };
  if (month === "00") return { value: year, precision: "year" };
  const whole = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day) || 1));
  if (whole.getUTCMonth() !== Number(month) - 1) throw new RangeError("partialDate: not a day of the calendar");
  if (day === "00") return { value: `${year}-${month}`, precision: "month" };
  return { value: `${year}-${month}-${day}`, precision: "day" };
}

function postcode(text) {
  if (text === undefined || text === "") return undefined;
  const plain = text.replace(/\s/g, "").toUpperCase();
  if (!/^[1-9]\d{3}([A-Z]{2})?$/.test(plain)) throw new RangeError("postcode: not a Dutch postcode");
  return plain;
}

function phone(text) {
  return text === undefined ? undefined : text.trim().split(/\s+/).join(" ") || undefined;
}

// What is there: no null, no empty object, no empty list.
function known(plain) {
  for (const name of Object.keys(plain)) {
    const value = plain[name];
    const empty = value === undefined || value === null ||
      (typeof value === "object" && (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0));
    if (empty) delete plain[name];
  }
  return plain;
}

// books: book → code → ours. A code that is not in its book is an error.
module.exports = function (books) {
  function code(book, value) {
    if (value === undefined) return undefined;
    if (!(value in books[book])) throw new RangeError(`code: not in ${book}`);
    return books[book][value];
  }

  function address(source) {
    if (source === undefined) return undefined;
    return known({
      use: code("thv-adressoort", source.soort),
      street: source.straat,
      houseNumber: source.huisnummer,
      houseLetter: source.huisletter,
      houseNumberAddition: source.toevoeging,
      postcode: postcode(source.postcode),
      place: source.woonplaats,
      municipality: source.gemeentecode,
      country: source.land,
      foreignLines: source.buitenland,
      secret: source.geheim,
    });
  }

  function member(source) {
    const names = source.namen || {}, told = source.informering || {}, bsn = source.bsn;
    let status = code("thv-bsn-status", source.bsnStatus);
    if (status === undefined && bsn !== undefined) {
      status = { "000000000": "unknown", 999999999: "none" }[bsn] || "known";
    }
    return known({
      id: source.id,
      role: code("thv-rol", source.rol),
      main: source.hoofdpersoon,
      unborn: source.ongeboren,
      names: known({
        family: names.geslachtsnaam,
        prefix: names.voorvoegsel,
        given: names.voornamen,
        initials: names.voorletters,
        full: names.volledig,
      }),
      born: partialDate(source.geboren),
      expected: partialDate(source.verwacht),
      sex: code("thv-geslacht", source.geslacht),
      bsn: bsn === "000000000" || bsn === "999999999" ? undefined : bsn,
      bsnStatus: status,
      nationality: source.nationaliteit,
      language: source.taal,
      interpreter: source.tolkNodig,
      phones: (source.telefoons || []).map((each) => known({
        number: phone(each.nummer),
        safeToCall: each.veiligTeBellen,
        note: each.toelichting,
      })),
      email: source.email,
      addresses: (source.adressen || []).map(address),
      secretAddress: source.geheimAdres,
      relations: (source.relaties || []).map((each) => known({
        to: each.tot,
        kind: code("thv-relatie", each.soort),
        custody: each.gezag,
      })),
      informed: known({
        informed: told.geinformeerd,
        at: told.op,
        reasonNot: told.redenNiet,
        reaction: told.reactie,
      }),
      remarks: source.opmerkingen,
    });
  }

  return function referral(source) {
    const order = source.huisverbod || {}, incident = source.incident || {}, stalled = source.vastgelopenHulp || {};
    const risk = source.risico || {}, history = source.voorgeschiedenis || {}, reporter = source.melder || {};
    let urgency = code("thv-urgentie", source.urgentie);
    if (source.urgentie === undefined && ["opgelegd", "verlengd"].includes(order.status)) urgency = "crisis";
    return known({
      kind: code("thv-soort", source.soort),
      programme: code("thv-aanpak", source.aanpak),
      urgency,
      occurredAt: moment(source.gebeurdOp),
      trigger: known({
        restrainingOrder: known({
          status: code("thv-status", order.status),
          number: order.nummer,
          form: code("thv-vorm", order.vorm),
          imposedAt: moment(order.opgelegdOp),
          endsAt: moment(order.eindigtOp),
          extendedUntil: moment(order.verlengdTot),
          ordinal: order.volgnummer,
          contactBan: order.contactverbod,
          address: address(order.adres),
          reason: order.reden,
        }),
        incident: known({
          occurredAt: moment(incident.gebeurdOp),
          occurredOn: partialDate(incident.datum),
          forms: (incident.vormen || []).map((each) => code("vt-form", each)),
          natures: (incident.aard || []).map((each) => code("vt-nature", each)),
          policeRegistration: incident.politieregistratie,
          address: address(incident.adres),
          locationText: incident.locatie,
          description: incident.toelichting,
          arrest: incident.aanhouding,
          charges: incident.strafbareFeiten,
        }),
        stalledHelp: known({
          stalled: source.vastgelopenHulp === undefined ? undefined : true,
          since: partialDate(stalled.sinds),
          organisation: stalled.organisatie,
          text: stalled.toelichting,
        }),
      }),
      members: (source.betrokkenen || []).map(member),
      risk: known({
        instrument: code("thv-instrument", risk.instrument),
        level: code("thv-risiconiveau", risk.niveau),
        weapons: risk.wapens,
        weaponsText: risk.wapensToelichting,
        intimateTerrorism: risk.intiemTerrorisme,
        honourRelated: risk.eergerelateerd,
        workerSafety: risk.veiligheidHulpverleners,
        text: risk.toelichting,
      }),
      history: known({
        earlierReports: history.eerdereMeldingen,
        earlierOrders: (history.eerdereHuisverboden || []).map((each) => known({
          number: each.nummer,
          imposedAt: moment(each.opgelegdOp),
        })),
        text: history.toelichting,
      }),
      organisations: (source.organisaties || []).map((each) => known({
        name: each.naam,
        identifier: each.kenmerk,
        kind: code("thv-organisatiesoort", each.soort),
        serves: each.dient,
        contactName: each.contactpersoon,
        contactPhone: phone(each.telefoon),
        contactEmail: each.email,
        note: each.toelichting,
      })),
      reporter: known({
        kind: code("vt-reporter", reporter.soort),
        name: reporter.naam,
        organisation: reporter.organisatie,
        phone: phone(reporter.telefoon),
        email: reporter.email,
        masked: reporter.afschermen,
      }),
      willingness: code("thv-vrijwilligheid", source.vrijwilligheid),
      legalBasis: code("thv-grondslag", source.grondslag),
      purpose: code("thv-doel", source.doel),
      question: source.vraag,
      notes: source.toelichting === undefined ? undefined : [{ topic: "toelichting", text: source.toelichting }],
      attachments: (source.bijlagen || []).map((each) => known({
        name: each.naam,
        mediaType: each.mediatype,
        size: each.omvang,
        heldBy: each.beheerder,
      })),
    });
  };
};
