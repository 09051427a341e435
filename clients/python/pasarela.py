"""The client of Pasarela's API for Python 3.11 and newer, without a dependency. Written by scripts/clients from the
hub's own document: change that.

    hub = Pasarela("http://127.0.0.1:8080", os.environ["PASARELA_KEY"])
    for event in pages(lambda cursor: hub.get_events(cursor=cursor)):
        print(event["type"])
    hub.post_consents(statement, once=Once(key="compra-3301"))   # sent again, it is the same one
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Optional, TypedDict, Union, cast


@dataclass(frozen=True)
class Once:
    """A change that may be sent again: the same key, the same request, one deed. `version`: the `ETag` that was read."""

    key: Optional[str] = None
    version: Optional[str] = None


class Problem(Exception):
    """An answer that is none: a problem with a stable `code`, whose page is at `type`. `retry_after`: seconds after
    which it may be tried again, where the hub says so."""

    def __init__(self, status: int, told: dict[str, Any], retry_after: Optional[int]) -> None:
        self.status, self.retry_after = status, retry_after
        self.code, self.detail, self.type = told.get("code", ""), told.get("detail", ""), told.get("type", "")
        super().__init__(f"{status} {self.code}: {self.detail}")


def pages(page: Callable[[Optional[str]], Any]) -> Iterator[Any]:
    """All rows of a list, page after page."""
    cursor: Optional[str] = None
    while True:
        answer = page(cursor)
        yield from answer["data"]
        cursor = answer.get("next_cursor")
        if cursor is None:
            return


def part(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class Caller:
    """How a hub is called."""

    def __init__(self, url: str, key: str, timeout: float = 30.0) -> None:
        self._url, self._key, self._timeout = url.rstrip("/"), key, timeout

    def call(self, path: str, method: str, query: dict[str, Any], body: Any, once: Optional[Once]) -> Any:
        asked = {n: str(v).lower() if isinstance(v, bool) else v for n, v in query.items() if v is not None}
        url = self._url + path + (f"?{urllib.parse.urlencode(asked)}" if asked else "")
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif method != "GET":
            data = b""
        if once and once.key:
            headers["Idempotency-Key"] = once.key
        if once and once.version:
            headers["If-Match"] = once.version
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        if method != "GET" and body is None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                try:
                    told = json.load(refused)
                except ValueError:
                    told = {}
                wait = refused.headers.get("Retry-After")
                raise Problem(refused.code, told, int(wait) if wait and wait.isdigit() else None) from None


# A conflict to leave as it is
Accepted = TypedDict(
    "Accepted",
    {
        "conflict": str,
    },
)

# An address, and why nobody writes to it
Add = TypedDict(
    "Add",
    {
        "email": str,
        "cause": NotRequired[Union["SuppressionCause", None]],
        "why": NotRequired[Union[str, None]],
    },
)

# Something that needs a person
Alarm = TypedDict(
    "Alarm",
    {
        "alarm": str,
        "value": float,
        "connections": NotRequired[list[str]],
        "stage": NotRequired[Union[int, None]],
    },
)

# Ids that a web analytics tool gave to the person's browser. Kept only with consent; without them nothing can be erased there
AnalyticsIds = TypedDict(
    "AnalyticsIds",
    {
        "ga_client_id": NotRequired[Union[str, None]],
        "ga_session_id": NotRequired[Union[str, None]],
    },
)

# An answer to an organiser's question
Answer = TypedDict(
    "Answer",
    {
        "question_id": str,
        "title": str,
        "text": str,
        "ticket_id": Union[str, None],
    },
)

# A key, without its text
ApiKey = TypedDict(
    "ApiKey",
    {
        "id": str,
        "name": str,
        "state": "KeyState",
        "scopes": list[str],
        "brands": Union[list[str], None],
        "rate": Union[str, None],
        "created_at": str,
        "expires_at": Union[str, None],
        "used_at": Union[str, None],
        "old_until": Union[str, None],
        "revoked_at": Union[str, None],
    },
)

# Version of a provider's API, and how long it lives
ApiState = TypedDict(
    "ApiState",
    {
        "version": str,
        "ends": Union[str, None],
        "days_left": Union[int, None],
    },
)

# How one reconciliation is to go
Ask = TypedDict(
    "Ask",
    {
        "from_beginning": NotRequired[bool],
        "policy": NotRequired[Union["Policy", None]],
    },
)

# It will be done
Asked = TypedDict(
    "Asked",
    {
        "delivery_id": "DeliveryId",
    },
)

# One try at an effect
Attempt = TypedDict(
    "Attempt",
    {
        "attempt": int,
        "call": int,
        "started_at": str,
        "ended_at": str,
        "outcome": str,
        "status": Union[int, None],
        "why": Any,
        "answer": Any,
    },
)

# What an entry tells of, roughly
AuditKind = Union[Literal["changes"], Literal["looks"], Literal["refusals"]]

# An entry, opened
AuditRow = TypedDict(
    "AuditRow",
    {
        "seq": int,
        "at": str,
        "who_kind": "WhoKind",
        "who": str,
        "name": str,
        "from": Union[str, None],
        "brand": str,
        "action": str,
        "subject": str,
        "before": Any,
        "after": Any,
        "forgotten": bool,
        "outcome": Union["Outcome", None],
        "hash": str,
    },
)

# A deed to take back
Back = TypedDict(
    "Back",
    {
        "deed": "DeedId",
    },
)

# What allows that personal data goes abroad
Basis = Union[Literal["contract"], Literal["consent"], Literal["declaration"]]

# A run that was ended
Cancelled = TypedDict(
    "Cancelled",
    {
        "id": "RunId",
        "status": "RunStatus",
    },
)

# How the store is kept
Care = TypedDict(
    "Care",
    {
        "kept": list["Kept"],
        "behind_since": Union[str, None],
        "space": "Space",
        "damage": Union[str, None],
        "intake": "IntakeView",
    },
)

# A case as it is shown
Case = TypedDict(
    "Case",
    {
        "number": str,
        "kind": "CaseKind",
        "state": "CaseState",
        "urgency": "Urgency",
        "dues": list["DueOf"],
        "received_at": str,
        "recorded_at": str,
        "intake": "Intake",
        "reference": str,
        "claimant": "Claimant",
        "requester": "Requester",
        "language": "Tongue",
        "facts": str,
        "request": str,
        "documents": list[str],
        "missing": list[str],
        "asked": Union["Extended", None],
        "label": Union["Extended", None],
        "extended": Union["Extended", None],
        "decided": Union["Decided", None],
        "draft": Union["Letter", None],
        "answer": Union["Letter", None],
        "history": list["CaseEntry"],
    },
)

# What must be done within a term
CaseDuty = Union[dict[str, Any], Literal["answer_pqr"], Literal["label"], Literal["ask_to_complete"], Literal["silence"], Literal["report_incident"]]

# One line of what was done
CaseEntry = TypedDict(
    "CaseEntry",
    {
        "at": str,
        "by": str,
        "what": str,
        "note": NotRequired[str],
    },
)

# What kind of request it is
CaseKind = Union[Literal["consulta"], Literal["reclamo"], Literal["pqr"]]

# Where a case stands
CaseState = Union[Literal["received"], Literal["incomplete"], Literal["complete"], Literal["decided"], Literal["answered"], Literal["withdrawn"], Literal["passed_on"]]

# Something that is done with a case
CaseStep = Union[dict[str, Any]]

# What a step does
Change = Union[Literal["create"], Literal["update"], Literal["keep"], Literal["conflict"], Literal["blocked"]]

# What an answer says of a thing that was just changed
Changed = TypedDict(
    "Changed",
    {
        "id": str,
        "state": str,
    },
)

# By which list somebody comes in
CheckInBy = TypedDict(
    "CheckInBy",
    {
        "list": str,
        "mark_paid": NotRequired[bool],
    },
)

# Which check-in is taken back
CheckOutOf = TypedDict(
    "CheckOutOf",
    {
        "list": str,
        "check_in": str,
    },
)

# Whom a case is about, as far as it was told. An e-mail address or a phone finds what the hub holds
Claimant = TypedDict(
    "Claimant",
    {
        "name": str,
        "document": str,
        "email": Union[str, None],
        "phone": Union[str, None],
        "address": str,
    },
)

# An edit that does not count
ConflictView = TypedDict(
    "ConflictView",
    {
        "id": str,
        "person": "PersonId",
        "name": str,
        "brand": str,
        "record": "PersonSource",
        "field": "PersonField",
        "says": str,
        "wins": str,
        "winner": "PersonSource",
        "why": "OverruledWhy",
        "at": str,
        "since": str,
        "accepted_by": Union[str, None],
    },
)

# A connection with its last reconciliations
Connection = TypedDict(
    "Connection",
    {
        "name": str,
        "provider": str,
        "environment": "Environment",
        "state": str,
        "problem": Union[str, None],
        "node": NotRequired[Union[str, None]],
        "api": "ApiState",
        "paused": Union["PauseRow", None],
        "last_webhook": Union[str, None],
        "work": "LanesView",
        "reconciliation": list["Report"],
        "server": list["ServerCan"],
    },
)

# How a connection stands, for people
ConnectionState = TypedDict(
    "ConnectionState",
    {
        "name": str,
        "provider": str,
        "environment": "Environment",
        "state": str,
        "problem": Union[str, None],
        "node": NotRequired[Union[str, None]],
        "api": "ApiState",
        "paused": Union["PauseRow", None],
        "last_webhook": Union[str, None],
        "work": "LanesView",
    },
)

# A record: one thing that a person said. It is never changed
ConsentEntry = TypedDict(
    "ConsentEntry",
    {
        "id": str,
        "state": "ConsentState",
        "purpose": str,
        "channel": Union[str, None],
        "person": "ConsentPerson",
        "at": str,
        "recorded_at": str,
        "evidence": "Evidence",
        "analytics": "AnalyticsIds",
        "legal_basis": "LegalBasis",
        "birth_date": Union[str, None],
        "minor": bool,
        "guardian": Union["Guardian", None],
        "proof": "Proof",
    },
)

# What became of a list
ConsentImport = TypedDict(
    "ConsentImport",
    {
        "accepted": int,
        "known": int,
        "refused": int,
        "rows": list["ImportedRow"],
    },
)

# Who said it
ConsentPerson = TypedDict(
    "ConsentPerson",
    {
        "email": Union["EmailAddress", None],
        "phone": Union["Phone", None],
        "name": str,
    },
)

# ConsentRow.
ConsentRow = TypedDict(
    "ConsentRow",
    {
        "line": int,
        "statement": dict[str, Any],
    },
)

# Given, or taken back
ConsentState = Union[Literal["given"], Literal["withdrawn"]]

# What a person said, as a request tells it
ConsentStatement = TypedDict(
    "ConsentStatement",
    {
        "person": "NamedPerson",
        "purpose": str,
        "state": "ConsentState",
        "channel": NotRequired[Union[str, None]],
        "evidence": NotRequired["Evidence"],
        "analytics": NotRequired["AnalyticsIds"],
        "legal_basis": NotRequired["LegalBasis"],
        "guardian": NotRequired[Union["Guardian", None]],
    },
)

# A person as one document names them: a buyer, a ticket's holder, a message's sender
Contact = TypedDict(
    "Contact",
    {
        "name": str,
        "first_name": str,
        "last_name": str,
        "email": Union["EmailAddress", None],
        "phone": Union["Phone", None],
        "language": Union[str, None],
        "document": NotRequired[Union["PersonDocument", None]],
        "empty": NotRequired[list["PersonField"]],
    },
)

# A row as it was read, column by column; what is empty is not said
ContactRow = TypedDict(
    "ContactRow",
    {
        "line": NotRequired[int],
        "id": NotRequired[str],
        "name": NotRequired[str],
        "first_name": NotRequired[str],
        "last_name": NotRequired[str],
        "email": NotRequired[str],
        "phone": NotRequired[str],
        "document_kind": NotRequired[str],
        "document_number": NotRequired[str],
        "language": NotRequired[str],
        "job_title": NotRequired[str],
    },
)

# What became of a row
ContactState = Union[Literal["created"], Literal["joined"], Literal["doubtful"], Literal["known"], Literal["refused"]]

# Contacts of a list
Contacts = TypedDict(
    "Contacts",
    {
        "brand": NotRequired[Union[str, None]],
        "rows": list["ContactRow"],
    },
)

# What became of a list
ContactsReport = TypedDict(
    "ContactsReport",
    {
        "created": int,
        "joined": int,
        "doubtful": int,
        "known": int,
        "refused": int,
        "rows": list["ImportedContact"],
    },
)

# A record, and whether it counts
Counted = TypedDict(
    "Counted",
    {
        "id": str,
        "state": "ConsentState",
        "purpose": str,
        "channel": Union[str, None],
        "person": "ConsentPerson",
        "at": str,
        "recorded_at": str,
        "evidence": "Evidence",
        "analytics": "AnalyticsIds",
        "legal_basis": "LegalBasis",
        "birth_date": Union[str, None],
        "minor": bool,
        "guardian": Union["Guardian", None],
        "proof": "Proof",
        "counts": Union[bool, None],
        "denied": Union["Denied", None],
    },
)

# ISO 4217 code
Currency = str

# Something that needs a person
DeadLetter = Union[dict[str, Any]]

# A decision and why
Decided = TypedDict(
    "Decided",
    {
        "ruling": "Ruling",
        "reason": str,
        "at": str,
    },
)

# DeedId.
DeedId = str

# A delivery: one request of a provider, one polled record
Delivery = TypedDict(
    "Delivery",
    {
        "id": "DeliveryId",
        "connection": str,
        "received_at": str,
        "source": str,
        "status": "DeliveryStatus",
        "reason": Union[str, None],
        "events": list["EventId"],
    },
)

# DeliveryId.
DeliveryId = str

# How a delivery stands
DeliveryStatus = Union[Literal["received"], Literal["decided"], Literal["partial"], Literal["ignored"], Literal["quarantined"], Literal["duplicate"], Literal["proposed"]]

# Why there is no yes
Denied = Union[Literal["absent"], Literal["withdrawn"], Literal["unproven"], Literal["channel_not_told"], Literal["reopened"], Literal["minor"], Literal["no_guardian"]]

# What differs between the provider's records and the hub
Difference = Union[Literal["missing"], Literal["different"], Literal["extra"]]

# A step that was done
DoneStep = TypedDict(
    "DoneStep",
    {
        "id": str,
        "what": str,
        "change": "Change",
    },
)

# Two who could be one
DoubtView = TypedDict(
    "DoubtView",
    {
        "id": str,
        "a": "HubPerson",
        "b": "HubPerson",
        "reasons": list["MatchReason"],
        "since": str,
    },
)

# The end of a term
Due = TypedDict(
    "Due",
    {
        "goal": str,
        "by": str,
    },
)

# A duty and its end
DueOf = TypedDict(
    "DueOf",
    {
        "duty": "CaseDuty",
        "due": "Due",
    },
)

# An effect: one call that a run wants made
Effect = TypedDict(
    "Effect",
    {
        "id": "EffectId",
        "run_id": Union["RunId", None],
        "step": str,
        "connection": str,
        "action": str,
        "state": str,
        "class": Union[str, None],
        "urgency": str,
        "attempt": int,
        "not_before": Union[str, None],
        "created_at": str,
        "give_up_at": str,
        "code": Union[str, None],
        "rule": Union[str, None],
        "why": Any,
        "result": Any,
        "input": NotRequired[Any],
        "request": NotRequired[Any],
        "attempts": NotRequired[list["Attempt"]],
        "decisions": NotRequired[list["Explained"]],
    },
)

# Effects by what they wait for
EffectCounts = TypedDict(
    "EffectCounts",
    {
        "queued": int,
        "paused": int,
        "oldest_due_s": Union[float, None],
        "calling": int,
        "unknown": int,
        "dead": int,
    },
)

# EffectId.
EffectId = str

# State of an effect
EffectState = Union[Literal["queued"], Literal["calling"], Literal["settling"], Literal["checking"], Literal["deferred"], Literal["done"], Literal["partial"], Literal["unsettled"], Literal["gave_up"], Literal["failed_late"], Literal["withdrawn"], Literal["dropped"], Literal["withheld"], Literal["dead"], Literal["unknown"]]

# EmailAddress.
EmailAddress = str

# Names a read model: kind (`order`, `show`, `ticket`, `person`, ...) and the provider's id of it
EntityRef = TypedDict(
    "EntityRef",
    {
        "kind": str,
        "id": str,
    },
)

# An event as the API shows it (design.md 5.3)
Envelope = TypedDict(
    "Envelope",
    {
        "id": "EventId",
        "type": str,
        "connection": str,
        "key": str,
        "occurred_at": str,
        "received_at": str,
        "delivery_id": "DeliveryId",
        "data": Any,
    },
)

# Keys, links and flows of the two never mix
Environment = Union[Literal["sandbox"], Literal["live"]]

# EventId.
EventId = str

# What proves it (colombia.md 1.1; Decreto 1377 of 2013, art. 8)
Evidence = TypedDict(
    "Evidence",
    {
        "channel": NotRequired[Union[str, None]],
        "at": NotRequired[Union[str, None]],
        "text_version": NotRequired[Union[str, None]],
        "text_sha256": NotRequired[Union[str, None]],
        "notice_version": NotRequired[Union[str, None]],
        "notice_sha256": NotRequired[Union[str, None]],
        "locale": NotRequired[Union[str, None]],
        "ip_hash": NotRequired[Union[str, None]],
        "user_agent_hash": NotRequired[Union[str, None]],
        "message_id": NotRequired[Union[str, None]],
        "operator": NotRequired[Union[str, None]],
        "reference": NotRequired[Union[str, None]],
    },
)

# One decision about a message
Explained = TypedDict(
    "Explained",
    {
        "at": str,
        "verdict": str,
        "rule": Union[str, None],
        "article": Union[str, None],
        "until": Union[str, None],
        "message": Any,
        "checks": list[Any],
    },
)

# Everything that was decided about a message
Explanation = TypedDict(
    "Explanation",
    {
        "id": "EffectId",
        "connection": str,
        "action": str,
        "state": "EffectState",
        "class": Union[str, None],
        "purpose": Union[str, None],
        "decided_again_at": Union[str, None],
        "is_message": bool,
        "decisions": list["Explained"],
    },
)

# An extension and why
Extended = TypedDict(
    "Extended",
    {
        "reason": str,
        "at": str,
    },
)

# One difference
Finding = TypedDict(
    "Finding",
    {
        "difference": "Difference",
        "record": "EntityRef",
        "facts": list[str],
        "delivery_id": Union["DeliveryId", None],
    },
)

# What a push does to one flow
FlowChange = TypedDict(
    "FlowChange",
    {
        "name": str,
        "version": int,
        "was": Union[int, None],
        "change": str,
    },
)

# FlowFile.
FlowFile = TypedDict(
    "FlowFile",
    {
        "file": str,
        "text": str,
    },
)

# A flow in force, for people
FlowState = TypedDict(
    "FlowState",
    {
        "name": str,
        "version": int,
        "from": str,
        "title": dict[str, Any],
        "on": list[str],
        "live": dict[str, Any],
        "paused": Union["PauseRow", None],
        "pushed": Union["Pushed", None],
    },
)

# Who authorises for a person under 18 (Ley 1581, art. 7; Decreto 1377, art. 12)
Guardian = TypedDict(
    "Guardian",
    {
        "name": str,
        "document": str,
        "relationship": str,
        "consent": str,
    },
)

# Header.
Header = TypedDict(
    "Header",
    {
        "name": str,
        "value": str,
    },
)

# A line of a person's history
HistoryLine = TypedDict(
    "HistoryLine",
    {
        "deed": "DeedId",
        "at": str,
        "by": Union[str, None],
        "what": str,
        "undone": bool,
        "undoable": bool,
        "record": Union["PersonSource", None],
        "persons": list["PersonId"],
        "leaving": list["PersonId"],
        "reasons": list["MatchReason"],
        "of": Union["DeedId", None],
        "said": Union[str, None],
    },
)

# A hold. The person is kept as keyed hashes only, and as the name that was given for people to recognise it
Hold = TypedDict(
    "Hold",
    {
        "number": str,
        "person": Union[str, None],
        "case": Union[str, None],
        "reason": str,
        "by": str,
        "since": str,
        "ended_at": Union[str, None],
        "ended_by": Union[str, None],
    },
)

# An identity document
HubDocument = TypedDict(
    "HubDocument",
    {
        "kind": str,
        "number": str,
    },
)

# A person across all systems, as the hub knows them: payload of the hub's own `person.*` events, and its read model `person`. Addresses are null where they are not this person's own
HubPerson = TypedDict(
    "HubPerson",
    {
        "id": "PersonId",
        "brand": str,
        "name": str,
        "first_name": str,
        "last_name": str,
        "email": Union["EmailAddress", None],
        "phone": Union["Phone", None],
        "channel_user": Union[str, None],
        "language": Union[str, None],
        "job_title": Union[str, None],
        "document": Union["HubDocument", None],
        "records": list["HubRecord"],
        "merged": list["PersonId"],
        "deleted": bool,
    },
)

# A provider's record of a person
HubRecord = TypedDict(
    "HubRecord",
    {
        "born": "PersonId",
        "connection": str,
        "provider": str,
        "kind": str,
        "id": str,
        "deleted": bool,
        "show_id": Union[str, None],
        "order_id": Union[str, None],
        "differs": "RecordDiffers",
    },
)

# A row and what became of it
ImportedContact = TypedDict(
    "ImportedContact",
    {
        "line": int,
        "state": "ContactState",
        "person": Union["PersonId", None],
        "with": list["PersonId"],
        "reasons": list["MatchReason"],
        "column": Union[str, None],
        "why": Union[str, None],
    },
)

# A row and what became of it
ImportedRow = TypedDict(
    "ImportedRow",
    {
        "line": int,
        "state": "RowState",
        "id": Union[str, None],
        "why": Union[str, None],
    },
)

# Deliveries that wait to be decided
Inbox = TypedDict(
    "Inbox",
    {
        "waiting": int,
        "oldest_s": Union[float, None],
    },
)

# An incident as it is shown; its fields are those of the sheet for the authority
Incident = TypedDict(
    "Incident",
    {
        "number": str,
        "title": str,
        "detected_at": str,
        "due": "Due",
        "urgency": "Urgency",
        "databases": list[str],
        "categories": list[str],
        "persons": Union[int, None],
        "effect": str,
        "measures": str,
        "missing": list[str],
        "reported_at": Union[str, None],
        "report": str,
        "closed_at": Union[str, None],
        "history": list["CaseEntry"],
    },
)

# Something that is done with an incident
IncidentStep = Union[dict[str, Any]]

# How it came in
Intake = Union[Literal["web"], Literal["paper"], Literal["email"], Literal["phone"], Literal["whatsapp"], Literal["in_person"], Literal["api"]]

# How intake stands
IntakeView = TypedDict(
    "IntakeView",
    {
        "pending_bytes": int,
        "limit_bytes": int,
        "capped": bool,
    },
)

# What was removed of one kind, and what is left
Kept = TypedDict(
    "Kept",
    {
        "kind": str,
        "removed": int,
        "passed_at": Union[str, None],
        "oldest": Union[str, None],
    },
)

# Does a key open anything?
KeyState = Literal["in_force", "expired", "revoked"]

# A key that is wanted
KeyWish = TypedDict(
    "KeyWish",
    {
        "name": str,
        "scopes": list["Scope"],
        "brands": NotRequired[Union[list[str], None]],
        "expires_at": NotRequired[Union[str, None]],
        "rate": NotRequired[Union[str, None]],
    },
)

# How a connection's work stands
LanesView = TypedDict(
    "LanesView",
    {
        "queued": list[int],
        "in_flight": int,
        "lanes": int,
        "parked": int,
        "breaker": str,
        "tokens": Union[float, None],
        "concurrency": int,
        "held": bool,
        "backlog": bool,
    },
)

# Records that leave a person, together
Leaving = TypedDict(
    "Leaving",
    {
        "records": list["PersonId"],
    },
)

# What allows the treatment (Ley 1581, arts. 9 and 10)
LegalBasis = Union[Literal["consent"], Literal["contract"], Literal["legal_duty"]]

# A letter to the person
Letter = TypedDict(
    "Letter",
    {
        "subject": str,
        "text": str,
    },
)

# A connection in the list
ListedConnection = TypedDict(
    "ListedConnection",
    {
        "name": str,
        "provider": str,
        "environment": "Environment",
        "state": str,
        "problem": Union[str, None],
        "node": NotRequired[Union[str, None]],
        "api": "ApiState",
        "paused": Union["PauseRow", None],
        "last_webhook": Union[str, None],
        "work": "LanesView",
        "server": list["ServerCan"],
    },
)

# Something that speaks for or against
MatchReason = Union[Literal["same_record"], Literal["same_channel_user"], Literal["same_document"], Literal["same_verified_phone"], Literal["same_verified_email"], Literal["same_phone"], Literal["same_email"], Literal["names_agree"], Literal["names_contradict"], Literal["other_document"], Literal["guests_of_one_order"], Literal["one_order"], Literal["shared_by_many"], Literal["fits_several"], Literal["decided"]]

# A right that is missing
MissingRight = TypedDict(
    "MissingRight",
    {
        "right": str,
        "advice": str,
        "steps": list[str],
    },
)

# An amount in minor units (centavos) of one currency
Money = TypedDict(
    "Money",
    {
        "minor": int,
        "currency": "Currency",
    },
)

# An address
Named = TypedDict(
    "Named",
    {
        "email": str,
    },
)

# A person, as a request names them
NamedPerson = TypedDict(
    "NamedPerson",
    {
        "email": NotRequired[Union[str, None]],
        "phone": NotRequired[Union[str, None]],
        "name": NotRequired[Union[str, None]],
        "birth_date": NotRequired[Union[str, None]],
        "minor": NotRequired[bool],
    },
)

# Names of what there is
Names = TypedDict(
    "Names",
    {
        "data": list[str],
    },
)

# A request of a person, as it comes in: from the privacy page, by hand from paper, by a program
NewCase = TypedDict(
    "NewCase",
    {
        "kind": "CaseKind",
        "claimant": "Claimant",
        "requester": NotRequired["Requester"],
        "facts": NotRequired[str],
        "request": str,
        "documents": NotRequired[list[str]],
        "received_at": NotRequired[Union[str, None]],
        "intake": NotRequired[Union["Intake", None]],
        "reference": NotRequired[str],
        "language": NotRequired["Tongue"],
    },
)

# A hold to set
NewHold = TypedDict(
    "NewHold",
    {
        "person": NotRequired[Union[str, None]],
        "case": NotRequired[Union[str, None]],
        "reason": str,
    },
)

# Who comes with a ticket from now on; what is left out stays
NewHolder = TypedDict(
    "NewHolder",
    {
        "first_name": NotRequired[Union[str, None]],
        "last_name": NotRequired[Union[str, None]],
        "email": NotRequired[Union[str, None]],
    },
)

# An incident to register. What is not known yet is added later; the clock runs meanwhile
NewIncident = TypedDict(
    "NewIncident",
    {
        "title": str,
        "detected_at": NotRequired[Union[str, None]],
        "databases": NotRequired[list[str]],
        "categories": NotRequired[list[str]],
        "persons": NotRequired[Union[int, None]],
        "effect": NotRequired[str],
        "measures": NotRequired[str],
    },
)

# A key that was just made, or given a new text. Its text exists only here
NewKey = TypedDict(
    "NewKey",
    {
        "id": str,
        "key": str,
        "old_until": NotRequired[Union[str, None]],
    },
)

# A version to add
NewText = TypedDict(
    "NewText",
    {
        "kind": "TextKind",
        "name": NotRequired[Union[str, None]],
        "version": str,
        "locale": str,
        "text": str,
        "purposes": NotRequired[list[str]],
        "channels": NotRequired[list[str]],
        "reopens": NotRequired[list[str]],
        "notice": NotRequired[Union[str, None]],
        "in_force_from": NotRequired[Union[str, None]],
    },
)

# An endpoint to make
NewWebhook = TypedDict(
    "NewWebhook",
    {
        "url": str,
        "description": NotRequired[Union[str, None]],
        "types": list[str],
        "brand": NotRequired[Union[str, None]],
        "headers": NotRequired[dict[str, Any]],
        "secret": NotRequired[Union[str, None]],
        "since": NotRequired[Union[str, None]],
        "give_up_after_hours": NotRequired[Union[int, None]],
        "pause_after_hours": NotRequired[Union[int, None]],
        "country": NotRequired[Union[str, None]],
        "transfer": NotRequired[Union["Transfer", None]],
    },
)

# A webhook with the secret that was just made for it
NewlySigned = TypedDict(
    "NewlySigned",
    {
        "id": str,
        "url": str,
        "description": Union[str, None],
        "types": list[str],
        "brand": Union[str, None],
        "headers": list[str],
        "secrets": list["SecretView"],
        "give_up_after_hours": int,
        "pause_after_hours": int,
        "country": Union[str, None],
        "transfer": Union["Transfer", None],
        "created_at": str,
        "created_by": str,
        "changed_at": str,
        "state": "WebhookState",
        "paused_since": Union[str, None],
        "paused_by": Union[str, None],
        "pause_reason": Union[str, None],
        "failing_since": Union[str, None],
        "last_success_at": Union[str, None],
        "last_problem": Union[str, None],
        "taken_until": str,
        "waiting": int,
        "in_flight": int,
        "dead": int,
        "secret": str,
    },
)

# Nothing more is to be said
NothingMore = dict[str, Any]

# An order of tickets or goods
Order = TypedDict(
    "Order",
    {
        "id": str,
        "number": str,
        "status": "OrderStatus",
        "currency": "Currency",
        "subtotal": "Money",
        "tax": "Money",
        "fees": "Money",
        "total": "Money",
        "refunded": "Money",
        "fully_refunded": bool,
        "free": bool,
        "payment_method": Union[str, None],
        "promo_code": Union[str, None],
        "buyer": "Contact",
        "lines": list["OrderLine"],
        "tickets": list["Ticket"],
        "show_id": str,
        "answers": list["Answer"],
        "placed_at": Union[str, None],
    },
)

# One line of an order
OrderLine = TypedDict(
    "OrderLine",
    {
        "product_id": str,
        "title": str,
        "quantity": int,
        "unit_price": "Money",
        "total": "Money",
    },
)

# State of an order
OrderStatus = Union[Literal["placed"], Literal["paid"], Literal["cancelled"]]

# An order with where it is
OrderView = TypedDict(
    "OrderView",
    {
        "connection": str,
        "order": "Order",
    },
)

# The other one
Other = TypedDict(
    "Other",
    {
        "with": "PersonId",
    },
)

# What came of something
Outcome = Union[Literal["begun"], Literal["done"], Literal["failed"], Literal["looked"], Literal["refused"]]

# Why an edit does not count
OverruledWhy = Union[Literal["owner"], Literal["same_second"], Literal["shorter"]]

# The hub's work
Overview = TypedDict(
    "Overview",
    {
        "at": str,
        "uptime_s": int,
        "inbox": "Inbox",
        "intake": "IntakeView",
        "space": "Space",
        "effects": "EffectCounts",
        "quarantined": int,
        "calls_out": int,
        "withheld": list["Withheld"],
        "totals": "Snapshot",
        "connections": list["ConnectionState"],
        "paused": list["PauseRow"],
    },
)

# A page of a list, newest first
PageOfAlarm = TypedDict(
    "PageOfAlarm",
    {
        "data": list["Alarm"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfApiKey = TypedDict(
    "PageOfApiKey",
    {
        "data": list["ApiKey"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfAuditRow = TypedDict(
    "PageOfAuditRow",
    {
        "data": list["AuditRow"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfCase = TypedDict(
    "PageOfCase",
    {
        "data": list["Case"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfConflictView = TypedDict(
    "PageOfConflictView",
    {
        "data": list["ConflictView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfDeadLetter = TypedDict(
    "PageOfDeadLetter",
    {
        "data": list["DeadLetter"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfDelivery = TypedDict(
    "PageOfDelivery",
    {
        "data": list["Delivery"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfDoubtView = TypedDict(
    "PageOfDoubtView",
    {
        "data": list["DoubtView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfEffect = TypedDict(
    "PageOfEffect",
    {
        "data": list["Effect"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfEnvelope = TypedDict(
    "PageOfEnvelope",
    {
        "data": list["Envelope"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfFlowChange = TypedDict(
    "PageOfFlowChange",
    {
        "data": list["FlowChange"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfFlowState = TypedDict(
    "PageOfFlowState",
    {
        "data": list["FlowState"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfHistoryLine = TypedDict(
    "PageOfHistoryLine",
    {
        "data": list["HistoryLine"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfHold = TypedDict(
    "PageOfHold",
    {
        "data": list["Hold"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfHubPerson = TypedDict(
    "PageOfHubPerson",
    {
        "data": list["HubPerson"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfIncident = TypedDict(
    "PageOfIncident",
    {
        "data": list["Incident"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfListedConnection = TypedDict(
    "PageOfListedConnection",
    {
        "data": list["ListedConnection"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfOrderView = TypedDict(
    "PageOfOrderView",
    {
        "data": list["OrderView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfPauseRow = TypedDict(
    "PageOfPauseRow",
    {
        "data": list["PauseRow"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfPublicKey = TypedDict(
    "PageOfPublicKey",
    {
        "data": list["PublicKey"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfRefund = TypedDict(
    "PageOfRefund",
    {
        "data": list["Refund"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfReport = TypedDict(
    "PageOfReport",
    {
        "data": list["Report"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfRetentionRule = TypedDict(
    "PageOfRetentionRule",
    {
        "data": list["RetentionRule"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfRunView = TypedDict(
    "PageOfRunView",
    {
        "data": list["RunView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfShowView = TypedDict(
    "PageOfShowView",
    {
        "data": list["ShowView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfShown = TypedDict(
    "PageOfShown",
    {
        "data": list["Shown"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfSuppressionRow = TypedDict(
    "PageOfSuppressionRow",
    {
        "data": list["SuppressionRow"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfTicketView = TypedDict(
    "PageOfTicketView",
    {
        "data": list["TicketView"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfTold = TypedDict(
    "PageOfTold",
    {
        "data": list["Told"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfWebhook = TypedDict(
    "PageOfWebhook",
    {
        "data": list["Webhook"],
        "next_cursor": Union[str, None],
    },
)

# A page of a list, newest first
PageOfWebhookDelivery = TypedDict(
    "PageOfWebhookDelivery",
    {
        "data": list["WebhookDelivery"],
        "next_cursor": Union[str, None],
    },
)

# What a person may stop for a while
PauseKind = Union[Literal["connection"], Literal["flow"], Literal["class"]]

# Something that a person has paused
PauseRow = TypedDict(
    "PauseRow",
    {
        "kind": "PauseKind",
        "name": str,
        "reason": Union[str, None],
        "by": str,
        "since": str,
    },
)

# What was done, and the person after it
PersonDeed = TypedDict(
    "PersonDeed",
    {
        "deed": "DeedId",
        "person": Union["PersonView", None],
    },
)

# A document: its kind and the number as it is compared
PersonDocument = TypedDict(
    "PersonDocument",
    {
        "kind": str,
        "number": str,
    },
)

# A field of a person
PersonField = Union[Literal["name"], Literal["email"], Literal["phone"], Literal["channel_user"], Literal["language"], Literal["job_title"], Literal["document"]]

# PersonId.
PersonId = str

# Names a provider's record that speaks of one natural person. An order stands for its buyer
PersonSource = TypedDict(
    "PersonSource",
    {
        "connection": str,
        "kind": str,
        "id": str,
    },
)

# A person with what is to be known of them
PersonView = TypedDict(
    "PersonView",
    {
        "id": "PersonId",
        "brand": str,
        "name": str,
        "first_name": str,
        "last_name": str,
        "email": Union["EmailAddress", None],
        "phone": Union["Phone", None],
        "channel_user": Union[str, None],
        "language": Union[str, None],
        "job_title": Union[str, None],
        "document": Union["HubDocument", None],
        "records": list["HubRecord"],
        "merged": list["PersonId"],
        "deleted": bool,
        "doubts": list["DoubtView"],
        "conflicts": list["ConflictView"],
    },
)

# Phone.
Phone = str

# One step
PlanStep = TypedDict(
    "PlanStep",
    {
        "id": str,
        "what": str,
        "why": str,
        "change": "Change",
        "request": NotRequired[Union["Shown2", None]],
    },
)

# What is done with a record that the hub does not know as it is
Policy = Union[Literal["report"], Literal["propose"], Literal["repair"]]

# Something that can be bought
Product = TypedDict(
    "Product",
    {
        "id": str,
        "title": str,
        "show_id": str,
        "is_ticket": bool,
        "tiers": list["Tier"],
    },
)

# What the hub found when it recorded a consent. It is never judged again: a text that is known later proves nothing earlier
Proof = TypedDict(
    "Proof",
    {
        "complete": bool,
        "missing": list[str],
        "text": NotRequired[Union[str, None]],
        "channels": NotRequired[list[str]],
        "guarded": bool,
    },
)

# How a plan is applied
ProvisionAsk = TypedDict(
    "ProvisionAsk",
    {
        "fingerprint": NotRequired[Union[str, None]],
        "limit": NotRequired[Union[int, None]],
    },
)

# A connection's plan
ProvisionPlan = TypedDict(
    "ProvisionPlan",
    {
        "connection": str,
        "provider": str,
        "todo": int,
        "fingerprint": str,
        "steps": list["PlanStep"],
        "missing": list["MissingRight"],
        "advice": list[str],
    },
)

# What came of applying a plan
Provisioned = TypedDict(
    "Provisioned",
    {
        "done": list["DoneStep"],
        "refused": list["RefusedStep"],
        "kept": list[str],
        "stopped": Union[str, None],
        "plan": "ProvisionPlan",
    },
)

# The public half of a key that signs tickets
PublicKey = TypedDict(
    "PublicKey",
    {
        "id": str,
        "public_key": str,
        "algorithm": str,
        "made_at": str,
        "signs": bool,
    },
)

# Texts to push
Push = TypedDict(
    "Push",
    {
        "flows": list["FlowFile"],
        "dry_run": NotRequired[bool],
    },
)

# Who pushed a flow
Pushed = TypedDict(
    "Pushed",
    {
        "by": str,
        "at": str,
    },
)

# Why a person does what they do
Reason = TypedDict(
    "Reason",
    {
        "reason": NotRequired[Union[str, None]],
    },
)

# What a record should say and does not. Only fields that such a record can carry
RecordDiffers = TypedDict(
    "RecordDiffers",
    {
        "name": NotRequired[Union[str, None]],
        "first_name": NotRequired[Union[str, None]],
        "last_name": NotRequired[Union[str, None]],
        "email": NotRequired[Union["EmailAddress", None]],
        "phone": NotRequired[Union["Phone", None]],
        "clear": NotRequired[list["PersonField"]],
    },
)

# A request for a refund, and what came of it
Refund = TypedDict(
    "Refund",
    {
        "connection": str,
        "order_id": str,
        "number": int,
        "order_number": str,
        "show_id": str,
        "amount": "Money",
        "refunded_before": "Money",
        "cancel_order": bool,
        "reason": str,
        "state": "RefundState",
        "asked_by": "Somebody",
        "asked_at": str,
        "expires_at": str,
        "decided_by": Union["Somebody", None],
        "decided_at": Union[str, None],
        "outcome": Union["RefundOutcome", None],
        "why": Union[str, None],
        "event_id": Union["EventId", None],
    },
)

# What came of a refund
RefundOutcome = Union[Literal["under_way"], Literal["done"], Literal["already"], Literal["refused"], Literal["unknown"], Literal["stuck"]]

# Where a request stands
RefundState = Union[Literal["waiting"], Literal["approved"], Literal["refused"], Literal["withdrawn"], Literal["expired"]]

# A step that was refused
RefusedStep = TypedDict(
    "RefusedStep",
    {
        "id": str,
        "what": str,
        "why": str,
    },
)

# An address that is written to again
Removed = TypedDict(
    "Removed",
    {
        "address": str,
        "suppressed": bool,
    },
)

# A webhook that is here no more
Removed2 = TypedDict(
    "Removed2",
    {
        "id": str,
        "removed": bool,
    },
)

# Which deliveries are decided again, or only looked at
Replay = TypedDict(
    "Replay",
    {
        "status": NotRequired[Union["DeliveryStatus", None]],
        "connection": NotRequired[Union[str, None]],
        "since": NotRequired[Union[str, None]],
        "until": NotRequired[Union[str, None]],
        "type": NotRequired[Union[str, None]],
        "dry_run": NotRequired[bool],
        "limit": NotRequired[Union[int, None]],
        "cursor": NotRequired[Union[str, None]],
    },
)

# From when on events are sent again
Replay2 = TypedDict(
    "Replay2",
    {
        "since": str,
    },
)

# What came of a page, or would
ReplayAnswer = TypedDict(
    "ReplayAnswer",
    {
        "data": "ReplayPage",
        "next_cursor": Union[str, None],
        "dry_run": bool,
    },
)

# What came of a page, or would
ReplayPage = TypedDict(
    "ReplayPage",
    {
        "deliveries": int,
        "facts": int,
        "known": int,
        "events": dict[str, Any],
        "unread": int,
        "without_connection": int,
        "without_body": int,
    },
)

# A delivery that goes through the deciders again
Replayed = TypedDict(
    "Replayed",
    {
        "delivery": "DeliveryId",
    },
)

# Result of the last reconciliation of one task; kept sealed in the store, so that it outlives the process and every node shows it
Report = TypedDict(
    "Report",
    {
        "task": str,
        "started_at": str,
        "ended_at": str,
        "from_beginning": bool,
        "policy": "Policy",
        "read": int,
        "same": int,
        "news": int,
        "missing": int,
        "different": int,
        "extra": Union[int, None],
        "findings": list["Finding"],
        "findings_left_out": int,
        "calls": int,
        "problem": Union[str, None],
    },
)

# Who asks (Decreto 1377 de 2013, art. 20)
Requester = Union[Literal["person"], Literal["heir"], Literal["representative"], Literal["third_party"]]

# What goes on
Resumed = TypedDict(
    "Resumed",
    {
        "kind": "PauseKind",
        "name": str,
        "paused": bool,
    },
)

# How one kind of thing is kept
RetentionRule = TypedDict(
    "RetentionRule",
    {
        "kind": str,
        "keep_days": Union[int, None],
        "basis": str,
        "removed": int,
        "passed_at": Union[str, None],
        "oldest": Union[str, None],
    },
)

# A key that opens nothing any more
Revoked = TypedDict(
    "Revoked",
    {
        "id": str,
        "revoked": bool,
    },
)

# How a key is given a new text
Rotation = TypedDict(
    "Rotation",
    {
        "overlap_s": NotRequired[int],
    },
)

# A new secret
Rotation2 = TypedDict(
    "Rotation2",
    {
        "secret": NotRequired[Union[str, None]],
        "overlap_hours": NotRequired[int],
    },
)

# What became of a row
RowState = Union[Literal["accepted"], Literal["known"], Literal["refused"]]

# Rows to import
Rows = TypedDict(
    "Rows",
    {
        "rows": list["ConsentRow"],
    },
)

# What was decided
Ruling = Union[Literal["granted"], Literal["partly"], Literal["denied"]]

# RunId.
RunId = str

# State of a run
RunStatus = Union[Literal["running"], Literal["blocked"], Literal["settling"], Literal["done"], Literal["cancelled"], Literal["failed"]]

# A run as it is alone, with its effects whole in place of their ids
RunStory = TypedDict(
    "RunStory",
    {
        "id": "RunId",
        "flow": str,
        "version": int,
        "event_id": "EventId",
        "status": "RunStatus",
        "created_at": str,
        "updated_at": str,
        "steps": Any,
        "effects": list["Effect"],
        "waits": dict[str, Any],
        "missing": list["EntityRef"],
        "problems": list[str],
    },
)

# A run as the API shows it
RunView = TypedDict(
    "RunView",
    {
        "id": "RunId",
        "flow": str,
        "version": int,
        "event_id": "EventId",
        "status": "RunStatus",
        "created_at": str,
        "updated_at": str,
        "steps": Any,
        "effects": dict[str, Any],
        "waits": dict[str, Any],
        "missing": list["EntityRef"],
        "problems": list[str],
    },
)

# A scan of a ticket, with the name of its list
ScanView = TypedDict(
    "ScanView",
    {
        "id": str,
        "ticket_id": str,
        "show_id": str,
        "list_id": str,
        "at": Union[str, None],
        "undone": bool,
        "list": str,
    },
)

# Scope.
Scope = Literal["read", "write", "overview:read", "care:read", "connections:read", "connections:write", "flows:read", "flows:write", "pauses:read", "pauses:write", "events:read", "deliveries:read", "deliveries:write", "runs:read", "runs:write", "effects:read", "messages:read", "dead-letters:read", "dead-letters:write", "consents:read", "consents:write", "people:read", "people:write", "suppressions:read", "suppressions:write", "cases:read", "cases:write", "incidents:read", "incidents:write", "holds:read", "holds:write", "texts:read", "texts:write", "registry:read", "registry:write", "ticket-keys:read", "ticket-keys:write", "shows:read", "shows:write", "tickets:read", "tickets:write", "portfolios:read", "portfolios:write", "refunds:read", "sandbox:read", "sandbox:write", "webhooks:read", "webhooks:write", "keys:read", "keys:write", "users:read", "users:write", "audit:read", "backups:write", "secrets:read", "secrets:write", "role:owner", "role:operator", "role:producer", "role:designer", "role:support", "role:finance", "role:gate", "role:privacy", "role:viewer"]

# A secret, without the secret
SecretView = TypedDict(
    "SecretView",
    {
        "id": str,
        "created_at": str,
        "ends_at": Union[str, None],
    },
)

# Something that some servers of a provider can do and others cannot
ServerCan = TypedDict(
    "ServerCan",
    {
        "name": str,
        "es": str,
        "en": str,
        "since": str,
        "has": Union[bool, None],
    },
)

# A fashion event: runway, fair, pop-up
Show = TypedDict(
    "Show",
    {
        "id": str,
        "title": str,
        "status": "ShowStatus",
        "starts_at": Union[str, None],
        "ends_at": Union[str, None],
        "time_zone": str,
        "currency": Union["Currency", None],
        "venue": "Venue",
    },
)

# How much belongs to a show
ShowCounts = TypedDict(
    "ShowCounts",
    {
        "orders": int,
        "tickets": int,
    },
)

# Who came through the door of a show
ShowDoor = TypedDict(
    "ShowDoor",
    {
        "inside": int,
        "lists": list["ShowDoorList"],
    },
)

# A list by which a door lets in
ShowDoorList = TypedDict(
    "ShowDoorList",
    {
        "id": str,
        "name": str,
        "tickets": Union[int, None],
        "inside": int,
        "open": Union[bool, None],
    },
)

# State of a show
ShowStatus = Union[Literal["draft"], Literal["live"], Literal["archived"]]

# A show with where it is and how much belongs to it
ShowView = TypedDict(
    "ShowView",
    {
        "connection": str,
        "show": "Show",
        "counts": "ShowCounts",
    },
)

# Who waits for a place at a show, where it has a waitlist
ShowWaitlist = TypedDict(
    "ShowWaitlist",
    {
        "waiting": int,
        "offered": int,
        "purchased": int,
        "expired": int,
    },
)

# A version, and whether it is the one in force
Shown = TypedDict(
    "Shown",
    {
        "id": str,
        "kind": "TextKind",
        "name": str,
        "version": str,
        "locale": str,
        "text": str,
        "sha256": str,
        "purposes": list[str],
        "channels": list[str],
        "reopens": list[str],
        "notice": Union[str, None],
        "in_force_from": str,
        "added_at": str,
        "in_force": bool,
    },
)

# A request as it is shown: without secrets, and with `{{name.id}}` where an id is known only when an earlier step is done
Shown2 = TypedDict(
    "Shown2",
    {
        "method": str,
        "path": str,
        "body": Any,
    },
)

# A reading of the counters
Snapshot = TypedDict(
    "Snapshot",
    {
        "accepted": int,
        "known": int,
        "refused": int,
        "capped": int,
        "care_failed": int,
        "decided": int,
        "duplicates": int,
        "quarantined": int,
        "events": int,
        "conflicts": int,
        "decide_failures": int,
        "runs": int,
        "runs_done": int,
        "dead": int,
        "unknown": int,
        "deferred": int,
        "dropped": int,
        "stale": int,
        "backstop": int,
        "breaker_opened": int,
        "reconciled": int,
        "reconcile_failed": int,
        "found_missing": int,
        "found_different": int,
        "found_extra": int,
    },
)

# Somebody who works in the hub
Somebody = TypedDict(
    "Somebody",
    {
        "id": str,
        "name": str,
    },
)

# How much of the file is used. All 0 where the database is a server's
Space = TypedDict(
    "Space",
    {
        "bytes": int,
        "free_bytes": int,
        "gives_back": bool,
    },
)

# What counts now
Standing = TypedDict(
    "Standing",
    {
        "purpose": str,
        "channel": Union[str, None],
        "state": "ConsentState",
        "at": str,
        "record_id": str,
        "given": bool,
        "denied": Union["Denied", None],
        "evidence": Union["Evidence", None],
    },
)

# Everything that one event led to
Story = TypedDict(
    "Story",
    {
        "event": "Envelope",
        "delivery": Union["WholeDelivery", None],
        "runs": list["RunStory"],
    },
)

# A delivery that waits for a person
Stuck = TypedDict(
    "Stuck",
    {
        "id": "DeliveryId",
        "connection": str,
        "received_at": str,
        "state": "DeliveryStatus",
        "why": Union[str, None],
    },
)

# Why an address is not written to. A stronger cause takes the place of a weaker one
SuppressionCause = Union[Literal["unsubscribed"], Literal["bounced"], Literal["complained"], Literal["asked"]]

# An address that is not written to. Found by its keyed hash, kept sealed
SuppressionRow = TypedDict(
    "SuppressionRow",
    {
        "address": str,
        "cause": "SuppressionCause",
        "why": Union[str, None],
        "by": str,
        "since": str,
    },
)

# How a trial went
TestOutcome = TypedDict(
    "TestOutcome",
    {
        "id": str,
        "delivered": bool,
        "status": Union[int, None],
        "millis": int,
        "answer": Union[str, None],
        "problem": Union[str, None],
    },
)

# What a text is
TextKind = Union[Literal["consent"], Literal["notice"], Literal["policy"]]

# One version of a text in one language. Immutable
TextVersion = TypedDict(
    "TextVersion",
    {
        "id": str,
        "kind": "TextKind",
        "name": str,
        "version": str,
        "locale": str,
        "text": str,
        "sha256": str,
        "purposes": list[str],
        "channels": list[str],
        "reopens": list[str],
        "notice": Union[str, None],
        "in_force_from": str,
        "added_at": str,
    },
)

# A ticket (boleta) of one guest
Ticket = TypedDict(
    "Ticket",
    {
        "id": str,
        "code": str,
        "status": "TicketStatus",
        "holder": "Contact",
        "product_id": str,
        "tier_id": Union[str, None],
        "show_id": str,
        "order_id": str,
        "occurrence_id": NotRequired[Union[str, None]],
        "link": NotRequired[Union[str, None]],
        "qr": NotRequired[Union[str, None]],
        "seller": NotRequired[Union[str, None]],
        "title": NotRequired[Union[str, None]],
    },
)

# State of a ticket
TicketStatus = Union[Literal["active"], Literal["awaiting_payment"], Literal["cancelled"]]

# A ticket with where it is
TicketView = TypedDict(
    "TicketView",
    {
        "connection": str,
        "ticket": "Ticket",
    },
)

# A tier of a product
Tier = TypedDict(
    "Tier",
    {
        "id": str,
        "label": Union[str, None],
        "price": "Money",
    },
)

# Something that a person said
Told = Union["Standing", "ConsentEntry"]

# Language of letters
Tongue = Union[Literal["es"], Literal["en"]]

# Why personal data may go abroad
Transfer = TypedDict(
    "Transfer",
    {
        "basis": "Basis",
        "reference": str,
        "since": str,
    },
)

# How near the end of a term is
Urgency = Union[Literal["calm"], Literal["soon"], Literal["goal"], Literal["late"]]

# Where a show takes place
Venue = TypedDict(
    "Venue",
    {
        "name": Union[str, None],
        "address": Union[str, None],
        "city": Union[str, None],
    },
)

# An endpoint
Webhook = TypedDict(
    "Webhook",
    {
        "id": str,
        "url": str,
        "description": Union[str, None],
        "types": list[str],
        "brand": Union[str, None],
        "headers": list[str],
        "secrets": list["SecretView"],
        "give_up_after_hours": int,
        "pause_after_hours": int,
        "country": Union[str, None],
        "transfer": Union["Transfer", None],
        "created_at": str,
        "created_by": str,
        "changed_at": str,
        "state": "WebhookState",
        "paused_since": Union[str, None],
        "paused_by": Union[str, None],
        "pause_reason": Union[str, None],
        "failing_since": Union[str, None],
        "last_success_at": Union[str, None],
        "last_problem": Union[str, None],
        "taken_until": str,
        "waiting": int,
        "in_flight": int,
        "dead": int,
    },
)

# What is to be otherwise; what is left out stays
WebhookChange = TypedDict(
    "WebhookChange",
    {
        "url": NotRequired[Union[str, None]],
        "description": NotRequired[Union[str, None]],
        "types": NotRequired[Union[list[str], None]],
        "headers": NotRequired[Union[dict[str, Any], None]],
        "give_up_after_hours": NotRequired[Union[int, None]],
        "pause_after_hours": NotRequired[Union[int, None]],
        "country": NotRequired[Union[str, None]],
        "transfer": NotRequired[Union["Transfer", None]],
    },
)

# One event on its way to a webhook
WebhookDelivery = TypedDict(
    "WebhookDelivery",
    {
        "effect_id": "EffectId",
        "event_id": Union["EventId", None],
        "state": str,
        "attempt": int,
        "created_at": str,
        "not_before": Union[str, None],
        "give_up_at": str,
        "code": Union[str, None],
    },
)

# How an endpoint stands
WebhookState = Union[Literal["active"], Literal["failing"], Literal["paused"], Literal["paused_failing"], Literal["paused_gone"]]

# Kind of whoever does something
WhoKind = Union[Literal["person"], Literal["key"], Literal["command_line"], Literal["system"]]

# A delivery with headers and body, as received
WholeDelivery = TypedDict(
    "WholeDelivery",
    {
        "id": "DeliveryId",
        "connection": str,
        "received_at": str,
        "source": str,
        "status": "DeliveryStatus",
        "reason": Union[str, None],
        "events": list["EventId"],
        "headers": list["Header"],
        "body": str,
    },
)

# A flow in force, with its text
WholeFlow = TypedDict(
    "WholeFlow",
    {
        "name": str,
        "version": int,
        "from": str,
        "title": dict[str, Any],
        "on": list[str],
        "live": dict[str, Any],
        "paused": Union["PauseRow", None],
        "pushed": Union["Pushed", None],
        "text": str,
        "outline": Any,
    },
)

# A show with what is sold for it
WholeShow = TypedDict(
    "WholeShow",
    {
        "connection": str,
        "show": "Show",
        "counts": "ShowCounts",
        "products": list["Product"],
        "door": "ShowDoor",
        "waitlist": "ShowWaitlist",
    },
)

# A ticket with where it is, and when it was scanned
WholeTicket = TypedDict(
    "WholeTicket",
    {
        "connection": str,
        "ticket": "Ticket",
        "scans": list["ScanView"],
    },
)

# How many effects of a connection a rule withheld
Withheld = TypedDict(
    "Withheld",
    {
        "connection": str,
        "rule": str,
        "count": int,
    },
)


class Pasarela(Caller):
    """The API of a hub. Each method is one operation of its document."""

    def get(self) -> "Names":
        """Names of everything that this API has."""
        return cast("Names", self.call("/api/v1", "GET", {}, None, None))

    def get_alarms(self) -> "PageOfAlarm":
        """What needs a person now."""
        return cast("PageOfAlarm", self.call("/api/v1/alarms", "GET", {}, None, None))

    def get_audit(self, *, who: Optional[str] = None, action: Optional[str] = None, subject: Optional[str] = None, kind: Optional["AuditKind"] = None, from_: Optional[str] = None, until: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfAuditRow":
        """Who did what, newest first."""
        return cast("PageOfAuditRow", self.call("/api/v1/audit", "GET", {"who": who, "action": action, "subject": subject, "kind": kind, "from": from_, "until": until, "limit": limit, "cursor": cursor}, None, None))

    def get_audit_by_seq(self, seq: str) -> "AuditRow":
        """One entry of the audit."""
        return cast("AuditRow", self.call(f"/api/v1/audit/{part(seq)}", "GET", {}, None, None))

    def get_care(self) -> "Care":
        """How the store is kept."""
        return cast("Care", self.call("/api/v1/care", "GET", {}, None, None))

    def get_cases(self, *, all_: Optional[bool] = None, person: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfCase":
        """Requests of people: consultas, reclamos, PQR."""
        return cast("PageOfCase", self.call("/api/v1/cases", "GET", {"all": all_, "person": person, "limit": limit, "cursor": cursor}, None, None))

    def post_cases(self, body: "NewCase", *, once: Optional[Once] = None) -> "Case":
        """Open a case: a request of a person, also one that came on paper."""
        return cast("Case", self.call("/api/v1/cases", "POST", {}, body, once))

    def get_cases_by_id(self, id: str) -> "Case":
        """One case, by its number."""
        return cast("Case", self.call(f"/api/v1/cases/{part(id)}", "GET", {}, None, None))

    def post_cases_by_id_steps(self, id: str, body: "CaseStep", *, once: Optional[Once] = None) -> "Case":
        """Do a step of a case: complete, extend, decide, answer, ."""
        return cast("Case", self.call(f"/api/v1/cases/{part(id)}/steps", "POST", {}, body, once))

    def get_keys(self) -> "PageOfApiKey":
        """API keys, without their texts."""
        return cast("PageOfApiKey", self.call("/api/v1/keys", "GET", {}, None, None))

    def post_keys(self, body: "KeyWish", *, once: Optional[Once] = None) -> "NewKey":
        """Make a key: its text is shown once."""
        return cast("NewKey", self.call("/api/v1/keys", "POST", {}, body, once))

    def post_keys_by_id_rotate(self, id: str, body: Optional["Rotation"] = None, *, once: Optional[Once] = None) -> "NewKey":
        """Give a key a new text; the old one still opens for a time."""
        return cast("NewKey", self.call(f"/api/v1/keys/{part(id)}/rotate", "POST", {}, body, once))

    def post_keys_by_id_revoke(self, id: str, *, once: Optional[Once] = None) -> "Revoked":
        """End a key for good."""
        return cast("Revoked", self.call(f"/api/v1/keys/{part(id)}/revoke", "POST", {}, None, once))

    def get_holds(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfHold":
        """Legal holds."""
        return cast("PageOfHold", self.call("/api/v1/holds", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def post_holds(self, body: "NewHold", *, once: Optional[Once] = None) -> "Hold":
        """Set a legal hold: nothing about its person or of its case is removed until it is ended."""
        return cast("Hold", self.call("/api/v1/holds", "POST", {}, body, once))

    def post_holds_by_id_end(self, id: str, *, once: Optional[Once] = None) -> "Hold":
        """End a legal hold."""
        return cast("Hold", self.call(f"/api/v1/holds/{part(id)}/end", "POST", {}, None, once))

    def get_retention(self) -> "PageOfRetentionRule":
        """How long everything is kept, on which basis, and what went."""
        return cast("PageOfRetentionRule", self.call("/api/v1/retention", "GET", {}, None, None))

    def get_incidents(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfIncident":
        """Security incidents."""
        return cast("PageOfIncident", self.call("/api/v1/incidents", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def post_incidents(self, body: "NewIncident", *, once: Optional[Once] = None) -> "Incident":
        """Register a security incident: its clock of 15 business days runs from `detected_at`."""
        return cast("Incident", self.call("/api/v1/incidents", "POST", {}, body, once))

    def get_incidents_by_id(self, id: str) -> "Incident":
        """One incident: the fields of the sheet for the authority."""
        return cast("Incident", self.call(f"/api/v1/incidents/{part(id)}", "GET", {}, None, None))

    def post_incidents_by_id_steps(self, id: str, body: "IncidentStep", *, once: Optional[Once] = None) -> "Incident":
        """Add what is known, note the report, or close an incident."""
        return cast("Incident", self.call(f"/api/v1/incidents/{part(id)}/steps", "POST", {}, body, once))

    def get_consents(self, *, person: str, history: Optional[bool] = None, limit: Optional[int] = None) -> "PageOfTold":
        """What a person has agreed to, by purpose and channel; with `history`, all that was ever said."""
        return cast("PageOfTold", self.call("/api/v1/consents", "GET", {"person": person, "history": history, "limit": limit}, None, None))

    def post_consents(self, body: "ConsentStatement", *, once: Optional[Once] = None) -> "Counted":
        """Record what a person said: given or withdrawn."""
        return cast("Counted", self.call("/api/v1/consents", "POST", {}, body, once))

    def post_consents_import(self, body: "Rows", *, once: Optional[Once] = None) -> "ConsentImport":
        """Take in a list of consents that were given elsewhere."""
        return cast("ConsentImport", self.call("/api/v1/consents/import", "POST", {}, body, once))

    def get_deliveries(self, *, status: Optional["DeliveryStatus"] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfDelivery":
        """Deliveries: what came in."""
        return cast("PageOfDelivery", self.call("/api/v1/deliveries", "GET", {"status": status, "limit": limit, "cursor": cursor}, None, None))

    def post_deliveries_replay(self, body: "Replay", *, once: Optional[Once] = None) -> "ReplayAnswer":
        """Decide deliveries again, a page at a time."""
        return cast("ReplayAnswer", self.call("/api/v1/deliveries/replay", "POST", {}, body, once))

    def get_deliveries_by_id(self, id: str) -> "WholeDelivery":
        """One delivery, with headers and body as received."""
        return cast("WholeDelivery", self.call(f"/api/v1/deliveries/{part(id)}", "GET", {}, None, None))

    def post_deliveries_by_id_replay(self, id: str, *, once: Optional[Once] = None) -> "Replayed":
        """Decide one delivery again."""
        return cast("Replayed", self.call(f"/api/v1/deliveries/{part(id)}/replay", "POST", {}, None, once))

    def get_events(self, *, type_: Optional[str] = None, connection: Optional[str] = None, key: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfEnvelope":
        """Canonical events."""
        return cast("PageOfEnvelope", self.call("/api/v1/events", "GET", {"type": type_, "connection": connection, "key": key, "limit": limit, "cursor": cursor}, None, None))

    def get_events_by_id(self, id: str) -> "Envelope":
        """One event."""
        return cast("Envelope", self.call(f"/api/v1/events/{part(id)}", "GET", {}, None, None))

    def get_events_by_id_story(self, id: str) -> "Story":
        """Everything that one event led to: delivery, runs, effects, attempts."""
        return cast("Story", self.call(f"/api/v1/events/{part(id)}/story", "GET", {}, None, None))

    def get_runs(self, *, status: Optional[str] = None, event: Optional["EventId"] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfRunView":
        """Runs of flows."""
        return cast("PageOfRunView", self.call("/api/v1/runs", "GET", {"status": status, "event": event, "limit": limit, "cursor": cursor}, None, None))

    def get_runs_by_id(self, id: str) -> "RunView":
        """One run."""
        return cast("RunView", self.call(f"/api/v1/runs/{part(id)}", "GET", {}, None, None))

    def post_runs_by_id_cancel(self, id: str, body: Optional["Reason"] = None, *, once: Optional[Once] = None) -> "Cancelled":
        """End a run."""
        return cast("Cancelled", self.call(f"/api/v1/runs/{part(id)}/cancel", "POST", {}, body, once))

    def get_flows(self) -> "PageOfFlowState":
        """Flows in force."""
        return cast("PageOfFlowState", self.call("/api/v1/flows", "GET", {}, None, None))

    def post_flows(self, body: "Push", *, once: Optional[Once] = None) -> "PageOfFlowChange":
        """Put flows in force, all or none, without a restart."""
        return cast("PageOfFlowChange", self.call("/api/v1/flows", "POST", {}, body, once))

    def get_flows_by_name(self, name: str) -> "WholeFlow":
        """One flow, with its text and outline."""
        return cast("WholeFlow", self.call(f"/api/v1/flows/{part(name)}", "GET", {}, None, None))

    def get_messages_by_id_explanation(self, id: str) -> "Explanation":
        """Why a message went out when it did, or did not."""
        return cast("Explanation", self.call(f"/api/v1/messages/{part(id)}/explanation", "GET", {}, None, None))

    def get_pauses(self) -> "PageOfPauseRow":
        """What people have paused."""
        return cast("PageOfPauseRow", self.call("/api/v1/pauses", "GET", {}, None, None))

    def post_by_kind_by_name_pause(self, kind: str, name: str, body: Optional["Reason"] = None, *, once: Optional[Once] = None) -> "PauseRow":
        """Pause a connection, a flow or a class of message: what it would do is kept."""
        return cast("PauseRow", self.call(f"/api/v1/{part(kind)}/{part(name)}/pause", "POST", {}, body, once))

    def post_by_kind_by_name_resume(self, kind: str, name: str, *, once: Optional[Once] = None) -> "Resumed":
        """Let what was paused go on, in its order."""
        return cast("Resumed", self.call(f"/api/v1/{part(kind)}/{part(name)}/resume", "POST", {}, None, once))

    def get_overview(self) -> "Overview":
        """The hub's work, in one answer."""
        return cast("Overview", self.call("/api/v1/overview", "GET", {}, None, None))

    def get_effects(self, *, state: Optional[str] = None, connection: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfEffect":
        """Effects: calls that runs want made."""
        return cast("PageOfEffect", self.call("/api/v1/effects", "GET", {"state": state, "connection": connection, "limit": limit, "cursor": cursor}, None, None))

    def get_effects_by_id(self, id: str) -> "Effect":
        """One effect, with its input, last request and attempts."""
        return cast("Effect", self.call(f"/api/v1/effects/{part(id)}", "GET", {}, None, None))

    def get_dead_letters(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfDeadLetter":
        """What needs a person: effects, deliveries in quarantine, proposals."""
        return cast("PageOfDeadLetter", self.call("/api/v1/dead-letters", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def post_dead_letters_by_id_retry(self, id: str, *, once: Optional[Once] = None) -> "Changed":
        """Send an effect again under a new key, or decide a delivery again."""
        return cast("Changed", self.call(f"/api/v1/dead-letters/{part(id)}/retry", "POST", {}, None, once))

    def post_dead_letters_by_id_drop(self, id: str, *, once: Optional[Once] = None) -> "Changed":
        """Give up an effect, or leave a delivery undecided."""
        return cast("Changed", self.call(f"/api/v1/dead-letters/{part(id)}/drop", "POST", {}, None, once))

    def get_suppressions(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfSuppressionRow":
        """Addresses that are not written to, and why."""
        return cast("PageOfSuppressionRow", self.call("/api/v1/suppressions", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def post_suppressions(self, body: "Add", *, once: Optional[Once] = None) -> "SuppressionRow":
        """Write to an address no more."""
        return cast("SuppressionRow", self.call("/api/v1/suppressions", "POST", {}, body, once))

    def post_suppressions_remove(self, body: "Named", *, once: Optional[Once] = None) -> "Removed":
        """Write to an address again."""
        return cast("Removed", self.call("/api/v1/suppressions/remove", "POST", {}, body, once))

    def get_texts(self, *, kind: Optional["TextKind"] = None, name: Optional[str] = None, version: Optional[str] = None) -> "PageOfShown":
        """Versions of the texts that people agree to, the latest in force first."""
        return cast("PageOfShown", self.call("/api/v1/texts", "GET", {"kind": kind, "name": name, "version": version}, None, None))

    def post_texts(self, body: "NewText", *, once: Optional[Once] = None) -> "TextVersion":
        """Add a version of a text."""
        return cast("TextVersion", self.call("/api/v1/texts", "POST", {}, body, once))

    def get_tickets_keys(self) -> "PageOfPublicKey":
        """Public keys that verify tickets without a network, the one that signs last."""
        return cast("PageOfPublicKey", self.call("/api/v1/tickets/keys", "GET", {}, None, None))

    def get_connections(self) -> "PageOfListedConnection":
        """Connections and how they stand."""
        return cast("PageOfListedConnection", self.call("/api/v1/connections", "GET", {}, None, None))

    def get_connections_by_name(self, name: str) -> "Connection":
        """One connection, with its last reconciliations."""
        return cast("Connection", self.call(f"/api/v1/connections/{part(name)}", "GET", {}, None, None))

    def post_connections_by_name_reconcile(self, name: str, body: Optional["Ask"] = None, *, once: Optional[Once] = None) -> "PageOfReport":
        """Read a connection's records now, and take in what its webhooks missed."""
        return cast("PageOfReport", self.call(f"/api/v1/connections/{part(name)}/reconcile", "POST", {}, body, once))

    def get_connections_by_name_plan(self, name: str) -> "ProvisionPlan":
        """What would bring a provider's account to its model; nothing is changed."""
        return cast("ProvisionPlan", self.call(f"/api/v1/connections/{part(name)}/plan", "GET", {}, None, None))

    def post_connections_by_name_plan_apply(self, name: str, body: Optional["ProvisionAsk"] = None, *, once: Optional[Once] = None) -> "Provisioned":
        """Do the steps of that plan."""
        return cast("Provisioned", self.call(f"/api/v1/connections/{part(name)}/plan/apply", "POST", {}, body, once))

    def get_shows(self, *, connection: Optional[str] = None, status: Optional["ShowStatus"] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfShowView":
        """Shows of every connection, by connection and id."""
        return cast("PageOfShowView", self.call("/api/v1/shows", "GET", {"connection": connection, "status": status, "limit": limit, "cursor": cursor}, None, None))

    def get_shows_by_connection_by_id(self, connection: str, id: str) -> "WholeShow":
        """One show, with what is sold for it and who came in."""
        return cast("WholeShow", self.call(f"/api/v1/shows/{part(connection)}/{part(id)}", "GET", {}, None, None))

    def get_shows_by_connection_by_id_orders(self, connection: str, id: str, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfOrderView":
        """Orders of a show, the first seen last."""
        return cast("PageOfOrderView", self.call(f"/api/v1/shows/{part(connection)}/{part(id)}/orders", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def get_shows_by_connection_by_id_tickets(self, connection: str, id: str, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfTicketView":
        """Tickets of a show, the first seen last."""
        return cast("PageOfTicketView", self.call(f"/api/v1/shows/{part(connection)}/{part(id)}/tickets", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def get_orders_by_connection_by_id(self, connection: str, id: str) -> "OrderView":
        """One order, with its tickets."""
        return cast("OrderView", self.call(f"/api/v1/orders/{part(connection)}/{part(id)}", "GET", {}, None, None))

    def get_tickets_by_connection_by_id(self, connection: str, id: str) -> "WholeTicket":
        """One ticket, and when it was scanned."""
        return cast("WholeTicket", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}", "GET", {}, None, None))

    def get_refunds(self, *, open: Optional[bool] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfRefund":
        """Requests to give money back, newest first."""
        return cast("PageOfRefund", self.call("/api/v1/refunds", "GET", {"open": open, "limit": limit, "cursor": cursor}, None, None))

    def get_refunds_by_connection_by_id_by_number(self, connection: str, id: str, number: str) -> "Refund":
        """One request to give money back: the order's, by its number from 1."""
        return cast("Refund", self.call(f"/api/v1/refunds/{part(connection)}/{part(id)}/{part(number)}", "GET", {}, None, None))

    def post_shows_by_connection_by_id_publish(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Make a show public."""
        return cast("Asked", self.call(f"/api/v1/shows/{part(connection)}/{part(id)}/publish", "POST", {}, body, once))

    def post_shows_by_connection_by_id_archive(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Archive a show."""
        return cast("Asked", self.call(f"/api/v1/shows/{part(connection)}/{part(id)}/archive", "POST", {}, body, once))

    def post_orders_by_connection_by_id_cancel(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Cancel an order."""
        return cast("Asked", self.call(f"/api/v1/orders/{part(connection)}/{part(id)}/cancel", "POST", {}, body, once))

    def post_orders_by_connection_by_id_mark_paid(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Take an order as paid."""
        return cast("Asked", self.call(f"/api/v1/orders/{part(connection)}/{part(id)}/mark-paid", "POST", {}, body, once))

    def post_tickets_by_connection_by_id_cancel(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Cancel a ticket."""
        return cast("Asked", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}/cancel", "POST", {}, body, once))

    def post_tickets_by_connection_by_id_resend(self, connection: str, id: str, body: Optional["NothingMore"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Send a ticket to its holder again."""
        return cast("Asked", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}/resend", "POST", {}, body, once))

    def post_tickets_by_connection_by_id_holder(self, connection: str, id: str, body: Optional["NewHolder"] = None, *, once: Optional[Once] = None) -> "Asked":
        """Give a ticket another holder."""
        return cast("Asked", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}/holder", "POST", {}, body, once))

    def post_tickets_by_connection_by_id_check_in(self, connection: str, id: str, body: "CheckInBy", *, once: Optional[Once] = None) -> "Asked":
        """Let a ticket's holder in."""
        return cast("Asked", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}/check-in", "POST", {}, body, once))

    def post_tickets_by_connection_by_id_check_out(self, connection: str, id: str, body: "CheckOutOf", *, once: Optional[Once] = None) -> "Asked":
        """Take a check-in back."""
        return cast("Asked", self.call(f"/api/v1/tickets/{part(connection)}/{part(id)}/check-out", "POST", {}, body, once))

    def get_webhooks(self) -> "PageOfWebhook":
        """Webhooks to services of your own, and how they stand."""
        return cast("PageOfWebhook", self.call("/api/v1/webhooks", "GET", {}, None, None))

    def post_webhooks(self, body: "NewWebhook", *, once: Optional[Once] = None) -> "NewlySigned":
        """Make a webhook: its secret is shown once."""
        return cast("NewlySigned", self.call("/api/v1/webhooks", "POST", {}, body, once))

    def get_webhooks_by_id(self, id: str) -> "Webhook":
        """One webhook."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}", "GET", {}, None, None))

    def post_webhooks_by_id_change(self, id: str, body: "WebhookChange", *, once: Optional[Once] = None) -> "Webhook":
        """Change a webhook; what is left out stays."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}/change", "POST", {}, body, once))

    def post_webhooks_by_id_remove(self, id: str, *, once: Optional[Once] = None) -> "Removed2":
        """Remove a webhook, and with it what it has not been sent."""
        return cast("Removed2", self.call(f"/api/v1/webhooks/{part(id)}/remove", "POST", {}, None, once))

    def post_webhooks_by_id_secrets(self, id: str, body: Optional["Rotation2"] = None, *, once: Optional[Once] = None) -> "NewlySigned":
        """Give a webhook a new secret; those before sign beside it for a time."""
        return cast("NewlySigned", self.call(f"/api/v1/webhooks/{part(id)}/secrets", "POST", {}, body, once))

    def post_webhooks_by_id_secrets_by_secret_end(self, id: str, secret: str, *, once: Optional[Once] = None) -> "Webhook":
        """End a secret of a webhook now."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}/secrets/{part(secret)}/end", "POST", {}, None, once))

    def post_webhooks_by_id_test(self, id: str, *, once: Optional[Once] = None) -> "TestOutcome":
        """Send a trial that tells of nothing, once, and see the answer."""
        return cast("TestOutcome", self.call(f"/api/v1/webhooks/{part(id)}/test", "POST", {}, None, once))

    def post_webhooks_by_id_pause(self, id: str, body: Optional["Reason"] = None, *, once: Optional[Once] = None) -> "Webhook":
        """Pause a webhook: its events wait in the log."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}/pause", "POST", {}, body, once))

    def post_webhooks_by_id_resume(self, id: str, *, once: Optional[Once] = None) -> "Webhook":
        """End a pause, a person's or the hub's: what waits goes on in its order."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}/resume", "POST", {}, None, once))

    def post_webhooks_by_id_replay(self, id: str, body: "Replay2", *, once: Optional[Once] = None) -> "Webhook":
        """Send everything since a moment again, under the same ids."""
        return cast("Webhook", self.call(f"/api/v1/webhooks/{part(id)}/replay", "POST", {}, body, once))

    def get_webhooks_by_id_deliveries(self, id: str, *, state: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfWebhookDelivery":
        """What a webhook was sent, and what waits for it, newest first."""
        return cast("PageOfWebhookDelivery", self.call(f"/api/v1/webhooks/{part(id)}/deliveries", "GET", {"state": state, "limit": limit, "cursor": cursor}, None, None))

    def get_people(self, *, search: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfHubPerson":
        """Persons across all connections, the latest heard of first."""
        return cast("PageOfHubPerson", self.call("/api/v1/people", "GET", {"search": search, "limit": limit, "cursor": cursor}, None, None))

    def get_people_review(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfDoubtView":
        """Pairs that could be one person, for somebody to say."""
        return cast("PageOfDoubtView", self.call("/api/v1/people/review", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def get_people_conflicts(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> "PageOfConflictView":
        """Edits that do not count, by the rules of ownership."""
        return cast("PageOfConflictView", self.call("/api/v1/people/conflicts", "GET", {"limit": limit, "cursor": cursor}, None, None))

    def post_people_import(self, body: "Contacts", *, once: Optional[Once] = None) -> "ContactsReport":
        """Take in a list of contacts, each row by itself."""
        return cast("ContactsReport", self.call("/api/v1/people/import", "POST", {}, body, once))

    def get_people_by_id(self, id: str) -> "PersonView":
        """One person, by any id that was ever theirs."""
        return cast("PersonView", self.call(f"/api/v1/people/{part(id)}", "GET", {}, None, None))

    def get_people_by_id_history(self, id: str) -> "PageOfHistoryLine":
        """What was told and done with a person, the latest first."""
        return cast("PageOfHistoryLine", self.call(f"/api/v1/people/{part(id)}/history", "GET", {}, None, None))

    def post_people_by_id_merge(self, id: str, body: "Other", *, once: Optional[Once] = None) -> "PersonDeed":
        """Two persons are one."""
        return cast("PersonDeed", self.call(f"/api/v1/people/{part(id)}/merge", "POST", {}, body, once))

    def post_people_by_id_apart(self, id: str, body: "Other", *, once: Optional[Once] = None) -> "PersonDeed":
        """Two persons are not one, and no rule joins them."""
        return cast("PersonDeed", self.call(f"/api/v1/people/{part(id)}/apart", "POST", {}, body, once))

    def post_people_by_id_split(self, id: str, body: "Leaving", *, once: Optional[Once] = None) -> "PersonDeed":
        """Records leave a person, together."""
        return cast("PersonDeed", self.call(f"/api/v1/people/{part(id)}/split", "POST", {}, body, once))

    def post_people_by_id_undo(self, id: str, body: "Back", *, once: Optional[Once] = None) -> "PersonDeed":
        """Take a deed back; an undoing too."""
        return cast("PersonDeed", self.call(f"/api/v1/people/{part(id)}/undo", "POST", {}, body, once))

    def post_people_by_id_conflicts_accept(self, id: str, body: "Accepted", *, once: Optional[Once] = None) -> "PersonView":
        """Leave a conflict as it is."""
        return cast("PersonView", self.call(f"/api/v1/people/{part(id)}/conflicts/accept", "POST", {}, body, once))
