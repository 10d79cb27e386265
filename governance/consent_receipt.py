"""Consent receipts: what a contributor keeps of a permission given or taken back, as data that others can read.

Fields after ISO/IEC TS 27560:2023, written in the Data Privacy Vocabulary as its guide says
(https://w3id.org/dpv/guides/consent-27560). A receipt names fields and places, never what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from governance.consent import Grant
from governance.speech import ENGLISH, Say
from governance.terms import Purpose

JSON = dict[str, Any]
RECEIPT_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt"
RECORD_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
CONTEXT: Final[Mapping[str, str]] = {
    "dpv": "https://w3id.org/dpv#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "cw": "urn:commonweave:terms:",
}

# What the guide's table calls mandatory in ISO/IEC TS 27560, and where a receipt of ours says it ("/" goes down).
_RECORD: Final = "dpv:hasRecordOfActivity/"
_PROCESS: Final = _RECORD + "dpv:hasProcess/"
_PARTY: Final = _RECORD + "dpv:hasDataController/"
MANDATORY: Final[Mapping[str, str]] = {
    "schema version": _RECORD + "dct:conformsTo",
    "record id": _RECORD + "dct:identifier",
    "receipt id": "dct:identifier",
    "pii principal id": _RECORD + "dpv:hasDataSubject/dct:identifier",
    "privacy notice": _RECORD + "dpv:hasNotice",
    "language": _RECORD + "dpv:hasNotice/dct:language",
    "purpose": _PROCESS + "dpv:hasPurpose",
    "pii information": _PROCESS + "dpv:hasPersonalData",
    "pii type": _PROCESS + "dpv:hasPersonalData/@type",
    "pii controllers": _RECORD + "dpv:hasDataController",
    "storage locations": _PROCESS + "dpv:hasStorageCondition/dpv:hasLocation",
    "retention period": _PROCESS + "dpv:hasStorageCondition/dpv:hasDuration",
    "jurisdiction": _RECORD + "dpv:hasJurisdiction",
    "recipient third parties": _PROCESS + "dpv:hasRecipient",
    "withdrawal method": _RECORD + "dpv:hasConsentControl/dpv:isExercisedAt",
    "party id": _PARTY + "dct:identifier",
    "party address": _PARTY + "dpv:hasAddress",
    "party name": _PARTY + "dpv:hasName",
    "party contact": _PARTY + "dpv:hasContact",
    "party type": _PARTY + "@type",
    "event time": _RECORD + "dpv:hasConsentStatus/dpv:isIndicatedAtTime",
    "validity duration": _RECORD + "dct:valid",
    "entity id": _RECORD + "dpv:hasConsentStatus/dpv:isIndicatedBy",
    "event type": _RECORD + "dpv:hasLegalBasis",
    "event state": _RECORD + "dpv:hasConsentStatus/@type",
}


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation as a receipt names it; `contact` and `address` may be unknown."""

    node_id: str
    name: str
    contact: str = ""
    address: str = ""
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Covered:
    """One record and those of its fields that the permission covers, with the names people read."""

    rid: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Permission:
    """What a receipt is about; `removed` says that the fields left the record when the permission was taken back."""

    grant: Grant
    covered: Sequence[Covered]
    controller: Party
    holders: Sequence[Party]
    removed: bool = False


def consent_receipt(permission: Permission, receipt_id: str, now: int, say: Say = ENGLISH) -> JSON:
    """The receipt as JSON-LD; `receipt_id` names it, `now` is when it is written."""
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:commonweave:receipt:{receipt_id}",
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": receipt_id,
        "dct:conformsTo": RECEIPT_SCHEMA,
        "dct:created": _time(now),
        "dct:language": say.lang,
        "dct:publisher": permission.controller.node_id,
        "schema:recipient": "dpv:DataSubject",
        "dpv:hasRecordOfActivity": _record(permission, now, say),
    }


def _record(permission: Permission, now: int, say: Say) -> JSON:
    grant, controller = permission.grant, permission.controller
    until = grant.terms.until
    return {
        "@id": f"urn:commonweave:consent:{grant.gid}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": grant.gid,
        "dct:conformsTo": RECORD_SCHEMA,
        "dct:valid": say("until {day}", day=say.day(until)) if until is not None else say("until you take it back"),
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": grant.subject},
        "dpv:hasDataController": _party(controller, "dpv:DataController", say),
        "dpv:hasJurisdiction": _jurisdiction(controller, say),
        "dpv:hasLegalBasis": "dpv:Consent",
        "dpv:hasProcess": _process(permission, say),
        "dpv:hasConsentControl": {
            "@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"],
            "dpv:isExercisedAt": say(
                "the private link that {name} gave you, or any way of reaching {name}", name=controller.name
            ),
        },
        "dpv:hasRight": {
            "@type": "dpv:DataSubjectRight",
            "dct:title": say("You can take this permission back at any time."),
            "dpv:isExercisedAt": _contact(controller, say),
        },
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:title": say("What this receipt says in words, as it was shown to you"),
            "dct:language": say.lang,
            "dct:date": _time(now),
        },
        "dpv:hasConsentStatus": _status(grant, now, say),
    }


def _process(permission: Permission, say: Say) -> JSON:
    grant, controller = permission.grant, permission.controller
    until = grant.terms.until
    ends = say("until {day}", day=say.day(until)) if until is not None else say("until you take it back")
    recipients = [_party(holder, "dpv:Recipient", say) for holder in permission.holders]
    return {
        "@type": "dpv:Process",
        "dpv:hasProcessing": ["dpv:Store", "dpv:Share"],
        "dpv:hasPurpose": [
            {"@id": f"cw:{p.value}", "@type": "dpv:Purpose", "dct:title": purpose_words(p, say)}
            for p in sorted(grant.terms.purposes)
        ],
        "dpv:hasPersonalData": [
            {
                "@type": "dpv:PersonalData",
                "dct:identifier": f"urn:uuid:{record.rid}#{name}",
                "dct:title": label,
            }
            for record in permission.covered
            for name, label in sorted(record.fields.items())
        ],
        "dpv:hasDataSource": "dpv:DataSubject",
        # Without a holder the organisation itself is the only one who has it.
        "dpv:hasRecipient": recipients or [_party(controller, "dpv:Recipient", say)],
        "cw:audience": sorted(grant.terms.audiences),
        "dpv:hasStorageCondition": {
            "@type": ["dpv:StorageLocation", "dpv:StorageDuration"],
            "dpv:hasLocation": [p.name for p in (controller, *permission.holders)],
            "dpv:hasDuration": say("none: it was taken out of the record") if permission.removed else ends,
        },
    }


def _status(grant: Grant, now: int, say: Say) -> list[JSON]:
    """What happened to the permission, oldest first."""
    given = {
        "@type": ["dpv:ConsentGiven", "dpv:ExpressedConsent"],
        "dpv:isIndicatedBy": grant.subject,
        "dpv:hasIndicationMethod": say(grant.how),
        "dpv:isIndicatedAtTime": _time(grant.given_at),
    }
    if grant.withdrawn_at is not None:
        taken = {
            "@type": "dpv:ConsentWithdrawn",
            "dpv:isIndicatedBy": grant.subject,
            "dpv:hasIndicationMethod": say(grant.how) if grant.withdrawn_at == grant.given_at else say("taken back"),
            "dpv:isIndicatedAtTime": _time(grant.withdrawn_at),
        }
        # A permission that was born as a withdrawal was never given in this form.
        return [taken] if grant.withdrawn_at == grant.given_at else [given, taken]
    if grant.terms.until is not None and grant.terms.ended(now):
        ended = {
            "@type": "dpv:ConsentExpired",
            "dpv:isIndicatedBy": grant.subject,
            "dpv:hasIndicationMethod": say("the day came that it was given for"),
            "dpv:isIndicatedAtTime": _time(grant.terms.until),
        }
        return [given, ended]
    return [given]


def purpose_words(purpose: Purpose, say: Say = ENGLISH) -> str:
    """What a purpose means, for somebody who never saw the word."""
    match purpose:
        case Purpose.LEARNING:
            return say("learning: people read it and practise with it")
        case Purpose.RESEARCH:
            return say("research: people study it together with other stories")
        case Purpose.PUBLICATION:
            return say("publication: it may be printed or put online")
        case Purpose.ARCHIVE:
            return say("archive: it is kept for later")


def _party(party: Party, kind: str, say: Say) -> JSON:
    return {
        "@type": [kind, "dpv:LegalEntity"],
        "dct:identifier": party.node_id,
        "dpv:hasName": party.name,
        "dpv:hasContact": _contact(party, say),
        "dpv:hasAddress": party.address or say("not stated"),
    }


def _contact(party: Party, say: Say) -> str:
    return party.contact or party.address or say("not stated")


def _jurisdiction(controller: Party, say: Say) -> list[Any]:
    countries = sorted({region.partition("-")[0] for region in controller.regions})
    named: list[Any] = [f"loc:{country}" for country in countries if country.isalpha()]
    return named or [{"@type": "dpv:Jurisdiction", "dct:title": say("not stated")}]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def found(receipt: JSON, path: str) -> list[Any]:
    """Every value that a path of `MANDATORY` leads to, through lists."""
    values: list[Any] = [receipt]
    for member in path.split("/"):
        below = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
        values = [v[member] for v in below if isinstance(v, dict) and member in v]
    return values
