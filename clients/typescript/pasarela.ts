// The client of Pasarela's API for TypeScript. Written by scripts/clients from the hub's own document: change that.
//
//   const hub = new Pasarela("http://127.0.0.1:8080", process.env.PASARELA_KEY!);
//   for await (const event of pages((cursor) => hub.getEvents({ cursor }))) console.log(event.type);
//   await hub.postConsents(statement, { key: "compra-3301" });   // sent again, it is the same one

/** A change that may be sent again: the same key, the same request, one deed. `version`: the `ETag` that was read. */
export type Once = { key?: string; version?: string };

/** An answer that is none: a problem with a stable code, whose page is at `type`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly type: string,
    /** Seconds after which it may be tried again, where the hub says so. */
    readonly retryAfter?: number,
  ) {
    super(`${status} ${code}: ${detail}`);
  }
}

/** All rows of a list, page after page. */
export async function* pages<T>(
  page: (cursor?: string) => Promise<{ data: Array<T>; next_cursor?: string | null }>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { data, next_cursor } = await page(cursor);
    yield* data;
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined);
}

const part = (text: string): string => encodeURIComponent(text);

/** How a hub is called. */
export class Caller {
  constructor(
    private readonly url: string,
    private readonly key: string,
    private readonly fetching: typeof fetch = fetch,
  ) {}

  protected async call<T>(path: string, method: string, query?: object, body?: unknown, once?: Once): Promise<T> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (once?.key) headers["idempotency-key"] = once.key;
    if (once?.version) headers["if-match"] = once.version;
    const answer = await this.fetching(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told as T;
    const wait = Number(answer.headers.get("retry-after") ?? Number.NaN);
    throw new Problem(answer.status, told.code ?? "", told.detail ?? "", told.type ?? "", Number.isNaN(wait) ? undefined : wait);
  }
}

/** A conflict to leave as it is */
export type Accepted = { "conflict": string };

/** An address, and why nobody writes to it */
export type Add = { "email": string; "cause"?: SuppressionCause | null; "why"?: string | null };

/** Something that needs a person */
export type Alarm = { "alarm": string; "value": number; "connections"?: Array<string>; "stage"?: number | null };

/** Ids that a web analytics tool gave to the person's browser. Kept only with consent; without them nothing can be erased there */
export type AnalyticsIds = { "ga_client_id"?: string | null; "ga_session_id"?: string | null };

/** An answer to an organiser's question */
export type Answer = { "question_id": string; "title": string; "text": string; "ticket_id": string | null };

/** A key, without its text */
export type ApiKey = { "id": string; "name": string; "state": KeyState; "scopes": Array<string>; "brands": Array<string> | null; "rate": string | null; "created_at": string; "expires_at": string | null; "used_at": string | null; "old_until": string | null; "revoked_at": string | null };

/** Version of a provider's API, and how long it lives */
export type ApiState = { "version": string; "ends": string | null; "days_left": number | null };

/** How one reconciliation is to go */
export type Ask = { "from_beginning"?: boolean; "policy"?: Policy | null };

/** It will be done */
export type Asked = { "delivery_id": DeliveryId };

/** One try at an effect */
export type Attempt = { "attempt": number; "call": number; "started_at": string; "ended_at": string; "outcome": string; "status": number | null; "why": unknown; "answer": unknown };

/** What an entry tells of, roughly */
export type AuditKind = "changes" | "looks" | "refusals";

/** An entry, opened */
export type AuditRow = { "seq": number; "at": string; "who_kind": WhoKind; "who": string; "name": string; "from": string | null; "brand": string; "action": string; "subject": string; "before": unknown; "after": unknown; "forgotten": boolean; "outcome": Outcome | null; "hash": string };

/** A deed to take back */
export type Back = { "deed": DeedId };

/** What allows that personal data goes abroad */
export type Basis = "contract" | "consent" | "declaration";

/** A run that was ended */
export type Cancelled = { "id": RunId; "status": RunStatus };

/** How the store is kept */
export type Care = { "kept": Array<Kept>; "behind_since": string | null; "space": Space; "damage": string | null; "intake": IntakeView };

/** A case as it is shown */
export type Case = { "number": string; "kind": CaseKind; "state": CaseState; "urgency": Urgency; "dues": Array<DueOf>; "received_at": string; "recorded_at": string; "intake": Intake; "reference": string; "claimant": Claimant; "requester": Requester; "language": Tongue; "facts": string; "request": string; "documents": Array<string>; "missing": Array<string>; "asked": Extended | null; "label": Extended | null; "extended": Extended | null; "decided": Decided | null; "draft": Letter | null; "answer": Letter | null; "history": Array<CaseEntry> };

/** What must be done within a term */
export type CaseDuty = { "answer_consulta": { "extended": boolean } } | { "answer_reclamo": { "extended": boolean } } | "answer_pqr" | "label" | "ask_to_complete" | "silence" | "report_incident";

/** One line of what was done */
export type CaseEntry = { "at": string; "by": string; "what": string; "note"?: string };

/** What kind of request it is */
export type CaseKind = "consulta" | "reclamo" | "pqr";

/** Where a case stands */
export type CaseState = "received" | "incomplete" | "complete" | "decided" | "answered" | "withdrawn" | "passed_on";

/** Something that is done with a case */
export type CaseStep = { "step": "incomplete"; "missing": string } | { "step": "complete"; "reason"?: string } | { "step": "extend"; "reason": string } | { "step": "decide"; "ruling": Ruling; "reason"?: string } | { "step": "answer"; "subject"?: string; "text"?: string } | { "step": "pass_on"; "to": string } | { "step": "withdraw"; "reason": string } | { "step": "note"; "text": string };

/** What a step does */
export type Change = "create" | "update" | "keep" | "conflict" | "blocked";

/** What an answer says of a thing that was just changed */
export type Changed = { "id": string; "state": string };

/** By which list somebody comes in */
export type CheckInBy = { "list": string; "mark_paid"?: boolean };

/** Which check-in is taken back */
export type CheckOutOf = { "list": string; "check_in": string };

/** Whom a case is about, as far as it was told. An e-mail address or a phone finds what the hub holds */
export type Claimant = { "name": string; "document": string; "email": string | null; "phone": string | null; "address": string };

/** An edit that does not count */
export type ConflictView = { "id": string; "person": PersonId; "name": string; "brand": string; "record": PersonSource; "field": PersonField; "says": string; "wins": string; "winner": PersonSource; "why": OverruledWhy; "at": string; "since": string; "accepted_by": string | null };

/** A connection with its last reconciliations */
export type Connection = { "name": string; "provider": string; "environment": Environment; "state": string; "problem": string | null; "node"?: string | null; "api": ApiState; "paused": PauseRow | null; "last_webhook": string | null; "work": LanesView; "reconciliation": Array<Report>; "server": Array<ServerCan> };

/** How a connection stands, for people */
export type ConnectionState = { "name": string; "provider": string; "environment": Environment; "state": string; "problem": string | null; "node"?: string | null; "api": ApiState; "paused": PauseRow | null; "last_webhook": string | null; "work": LanesView };

/** A record: one thing that a person said. It is never changed */
export type ConsentEntry = { "id": string; "state": ConsentState; "purpose": string; "channel": string | null; "person": ConsentPerson; "at": string; "recorded_at": string; "evidence": Evidence; "analytics": AnalyticsIds; "legal_basis": LegalBasis; "birth_date": string | null; "minor": boolean; "guardian": Guardian | null; "proof": Proof };

/** What became of a list */
export type ConsentImport = { "accepted": number; "known": number; "refused": number; "rows": Array<ImportedRow> };

/** Who said it */
export type ConsentPerson = { "email": EmailAddress | null; "phone": Phone | null; "name": string };

export type ConsentRow = { "line": number; "statement": Record<string, unknown> };

/** Given, or taken back */
export type ConsentState = "given" | "withdrawn";

/** What a person said, as a request tells it */
export type ConsentStatement = { "person": NamedPerson; "purpose": string; "state": ConsentState; "channel"?: string | null; "evidence"?: Evidence; "analytics"?: AnalyticsIds; "legal_basis"?: LegalBasis; "guardian"?: Guardian | null };

/** A person as one document names them: a buyer, a ticket's holder, a message's sender */
export type Contact = { "name": string; "first_name": string; "last_name": string; "email": EmailAddress | null; "phone": Phone | null; "language": string | null; "document"?: PersonDocument | null; "empty"?: Array<PersonField> };

/** A row as it was read, column by column; what is empty is not said */
export type ContactRow = { "line"?: number; "id"?: string; "name"?: string; "first_name"?: string; "last_name"?: string; "email"?: string; "phone"?: string; "document_kind"?: string; "document_number"?: string; "language"?: string; "job_title"?: string };

/** What became of a row */
export type ContactState = "created" | "joined" | "doubtful" | "known" | "refused";

/** Contacts of a list */
export type Contacts = { "brand"?: string | null; "rows": Array<ContactRow> };

/** What became of a list */
export type ContactsReport = { "created": number; "joined": number; "doubtful": number; "known": number; "refused": number; "rows": Array<ImportedContact> };

/** A record, and whether it counts */
export type Counted = { "id": string; "state": ConsentState; "purpose": string; "channel": string | null; "person": ConsentPerson; "at": string; "recorded_at": string; "evidence": Evidence; "analytics": AnalyticsIds; "legal_basis": LegalBasis; "birth_date": string | null; "minor": boolean; "guardian": Guardian | null; "proof": Proof; "counts": boolean | null; "denied": Denied | null };

/** ISO 4217 code */
export type Currency = string;

/** Something that needs a person */
export type DeadLetter = Effect & { "kind": "effect" } | Stuck & { "kind": "delivery" } | Stuck & { "kind": "proposal" };

/** A decision and why */
export type Decided = { "ruling": Ruling; "reason": string; "at": string };

export type DeedId = string;

/** A delivery: one request of a provider, one polled record */
export type Delivery = { "id": DeliveryId; "connection": string; "received_at": string; "source": string; "status": DeliveryStatus; "reason": string | null; "events": Array<EventId> };

export type DeliveryId = string;

/** How a delivery stands */
export type DeliveryStatus = "received" | "decided" | "partial" | "ignored" | "quarantined" | "duplicate" | "proposed";

/** Why there is no yes */
export type Denied = "absent" | "withdrawn" | "unproven" | "channel_not_told" | "reopened" | "minor" | "no_guardian";

/** What differs between the provider's records and the hub */
export type Difference = "missing" | "different" | "extra";

/** A step that was done */
export type DoneStep = { "id": string; "what": string; "change": Change };

/** Two who could be one */
export type DoubtView = { "id": string; "a": HubPerson; "b": HubPerson; "reasons": Array<MatchReason>; "since": string };

/** The end of a term */
export type Due = { "goal": string; "by": string };

/** A duty and its end */
export type DueOf = { "duty": CaseDuty; "due": Due };

/** An effect: one call that a run wants made */
export type Effect = { "id": EffectId; "run_id": RunId | null; "step": string; "connection": string; "action": string; "state": string; "class": string | null; "urgency": string; "attempt": number; "not_before": string | null; "created_at": string; "give_up_at": string; "code": string | null; "rule": string | null; "why": unknown; "result": unknown; "input"?: unknown; "request"?: unknown; "attempts"?: Array<Attempt>; "decisions"?: Array<Explained> };

/** Effects by what they wait for */
export type EffectCounts = { "queued": number; "paused": number; "oldest_due_s": number | null; "calling": number; "unknown": number; "dead": number };

export type EffectId = string;

/** State of an effect */
export type EffectState = "queued" | "calling" | "settling" | "checking" | "deferred" | "done" | "partial" | "unsettled" | "gave_up" | "failed_late" | "withdrawn" | "dropped" | "withheld" | "dead" | "unknown";

export type EmailAddress = string;

/** Names a read model: kind (`order`, `show`, `ticket`, `person`, ...) and the provider's id of it */
export type EntityRef = { "kind": string; "id": string };

/** An event as the API shows it (design.md 5.3) */
export type Envelope = { "id": EventId; "type": string; "connection": string; "key": string; "occurred_at": string; "received_at": string; "delivery_id": DeliveryId; "data": unknown };

/** Keys, links and flows of the two never mix */
export type Environment = "sandbox" | "live";

export type EventId = string;

/** What proves it (colombia.md 1.1; Decreto 1377 of 2013, art. 8) */
export type Evidence = { "channel"?: string | null; "at"?: string | null; "text_version"?: string | null; "text_sha256"?: string | null; "notice_version"?: string | null; "notice_sha256"?: string | null; "locale"?: string | null; "ip_hash"?: string | null; "user_agent_hash"?: string | null; "message_id"?: string | null; "operator"?: string | null; "reference"?: string | null };

/** One decision about a message */
export type Explained = { "at": string; "verdict": string; "rule": string | null; "article": string | null; "until": string | null; "message": unknown; "checks": Array<unknown> };

/** Everything that was decided about a message */
export type Explanation = { "id": EffectId; "connection": string; "action": string; "state": EffectState; "class": string | null; "purpose": string | null; "decided_again_at": string | null; "is_message": boolean; "decisions": Array<Explained> };

/** An extension and why */
export type Extended = { "reason": string; "at": string };

/** One difference */
export type Finding = { "difference": Difference; "record": EntityRef; "facts": Array<string>; "delivery_id": DeliveryId | null };

/** What a push does to one flow */
export type FlowChange = { "name": string; "version": number; "was": number | null; "change": string };

export type FlowFile = { "file": string; "text": string };

/** A flow in force, for people */
export type FlowState = { "name": string; "version": number; "from": string; "title": Record<string, string>; "on": Array<string>; "live": Record<string, unknown>; "paused": PauseRow | null; "pushed": Pushed | null };

/** Who authorises for a person under 18 (Ley 1581, art. 7; Decreto 1377, art. 12) */
export type Guardian = { "name": string; "document": string; "relationship": string; "consent": string };

export type Header = { "name": string; "value": string };

/** A line of a person's history */
export type HistoryLine = { "deed": DeedId; "at": string; "by": string | null; "what": string; "undone": boolean; "undoable": boolean; "record": PersonSource | null; "persons": Array<PersonId>; "leaving": Array<PersonId>; "reasons": Array<MatchReason>; "of": DeedId | null; "said": string | null };

/** A hold. The person is kept as keyed hashes only, and as the name that was given for people to recognise it */
export type Hold = { "number": string; "person": string | null; "case": string | null; "reason": string; "by": string; "since": string; "ended_at": string | null; "ended_by": string | null };

/** An identity document */
export type HubDocument = { "kind": string; "number": string };

/** A person across all systems, as the hub knows them: payload of the hub's own `person.*` events, and its read model `person`. Addresses are null where they are not this person's own */
export type HubPerson = { "id": PersonId; "brand": string; "name": string; "first_name": string; "last_name": string; "email": EmailAddress | null; "phone": Phone | null; "channel_user": string | null; "language": string | null; "job_title": string | null; "document": HubDocument | null; "records": Array<HubRecord>; "merged": Array<PersonId>; "deleted": boolean };

/** A provider's record of a person */
export type HubRecord = { "born": PersonId; "connection": string; "provider": string; "kind": string; "id": string; "deleted": boolean; "show_id": string | null; "order_id": string | null; "differs": RecordDiffers };

/** A row and what became of it */
export type ImportedContact = { "line": number; "state": ContactState; "person": PersonId | null; "with": Array<PersonId>; "reasons": Array<MatchReason>; "column": string | null; "why": string | null };

/** A row and what became of it */
export type ImportedRow = { "line": number; "state": RowState; "id": string | null; "why": string | null };

/** Deliveries that wait to be decided */
export type Inbox = { "waiting": number; "oldest_s": number | null };

/** An incident as it is shown; its fields are those of the sheet for the authority */
export type Incident = { "number": string; "title": string; "detected_at": string; "due": Due; "urgency": Urgency; "databases": Array<string>; "categories": Array<string>; "persons": number | null; "effect": string; "measures": string; "missing": Array<string>; "reported_at": string | null; "report": string; "closed_at": string | null; "history": Array<CaseEntry> };

/** Something that is done with an incident */
export type IncidentStep = { "step": "update"; "databases"?: Array<string> | null; "categories"?: Array<string> | null; "persons"?: number | null; "effect"?: string | null; "measures"?: string | null } | { "step": "report"; "report": string } | { "step": "close"; "note"?: string };

/** How it came in */
export type Intake = "web" | "paper" | "email" | "phone" | "whatsapp" | "in_person" | "api";

/** How intake stands */
export type IntakeView = { "pending_bytes": number; "limit_bytes": number; "capped": boolean };

/** What was removed of one kind, and what is left */
export type Kept = { "kind": string; "removed": number; "passed_at": string | null; "oldest": string | null };

/** Does a key open anything? */
export type KeyState = "in_force" | "expired" | "revoked";

/** A key that is wanted */
export type KeyWish = { "name": string; "scopes": Array<Scope>; "brands"?: Array<string> | null; "expires_at"?: string | null; "rate"?: string | null };

/** How a connection's work stands */
export type LanesView = { "queued": Array<number>; "in_flight": number; "lanes": number; "parked": number; "breaker": string; "tokens": number | null; "concurrency": number; "held": boolean; "backlog": boolean };

/** Records that leave a person, together */
export type Leaving = { "records": Array<PersonId> };

/** What allows the treatment (Ley 1581, arts. 9 and 10) */
export type LegalBasis = "consent" | "contract" | "legal_duty";

/** A letter to the person */
export type Letter = { "subject": string; "text": string };

/** A connection in the list */
export type ListedConnection = { "name": string; "provider": string; "environment": Environment; "state": string; "problem": string | null; "node"?: string | null; "api": ApiState; "paused": PauseRow | null; "last_webhook": string | null; "work": LanesView; "server": Array<ServerCan> };

/** Something that speaks for or against */
export type MatchReason = "same_record" | "same_channel_user" | "same_document" | "same_verified_phone" | "same_verified_email" | "same_phone" | "same_email" | "names_agree" | "names_contradict" | "other_document" | "guests_of_one_order" | "one_order" | "shared_by_many" | "fits_several" | "decided";

/** A right that is missing */
export type MissingRight = { "right": string; "advice": string; "steps": Array<string> };

/** An amount in minor units (centavos) of one currency */
export type Money = { "minor": number; "currency": Currency };

/** An address */
export type Named = { "email": string };

/** A person, as a request names them */
export type NamedPerson = { "email"?: string | null; "phone"?: string | null; "name"?: string | null; "birth_date"?: string | null; "minor"?: boolean };

/** Names of what there is */
export type Names = { "data": Array<string> };

/** A request of a person, as it comes in: from the privacy page, by hand from paper, by a program */
export type NewCase = { "kind": CaseKind; "claimant": Claimant; "requester"?: Requester; "facts"?: string; "request": string; "documents"?: Array<string>; "received_at"?: string | null; "intake"?: Intake | null; "reference"?: string; "language"?: Tongue };

/** A hold to set */
export type NewHold = { "person"?: string | null; "case"?: string | null; "reason": string };

/** Who comes with a ticket from now on; what is left out stays */
export type NewHolder = { "first_name"?: string | null; "last_name"?: string | null; "email"?: string | null };

/** An incident to register. What is not known yet is added later; the clock runs meanwhile */
export type NewIncident = { "title": string; "detected_at"?: string | null; "databases"?: Array<string>; "categories"?: Array<string>; "persons"?: number | null; "effect"?: string; "measures"?: string };

/** A key that was just made, or given a new text. Its text exists only here */
export type NewKey = { "id": string; "key": string; "old_until"?: string | null };

/** A version to add */
export type NewText = { "kind": TextKind; "name"?: string | null; "version": string; "locale": string; "text": string; "purposes"?: Array<string>; "channels"?: Array<string>; "reopens"?: Array<string>; "notice"?: string | null; "in_force_from"?: string | null };

/** An endpoint to make */
export type NewWebhook = { "url": string; "description"?: string | null; "types": Array<string>; "brand"?: string | null; "headers"?: Record<string, string>; "secret"?: string | null; "since"?: string | null; "give_up_after_hours"?: number | null; "pause_after_hours"?: number | null; "country"?: string | null; "transfer"?: Transfer | null };

/** A webhook with the secret that was just made for it */
export type NewlySigned = { "id": string; "url": string; "description": string | null; "types": Array<string>; "brand": string | null; "headers": Array<string>; "secrets": Array<SecretView>; "give_up_after_hours": number; "pause_after_hours": number; "country": string | null; "transfer": Transfer | null; "created_at": string; "created_by": string; "changed_at": string; "state": WebhookState; "paused_since": string | null; "paused_by": string | null; "pause_reason": string | null; "failing_since": string | null; "last_success_at": string | null; "last_problem": string | null; "taken_until": string; "waiting": number; "in_flight": number; "dead": number; "secret": string };

/** Nothing more is to be said */
export type NothingMore = Record<string, unknown>;

/** An order of tickets or goods */
export type Order = { "id": string; "number": string; "status": OrderStatus; "currency": Currency; "subtotal": Money; "tax": Money; "fees": Money; "total": Money; "refunded": Money; "fully_refunded": boolean; "free": boolean; "payment_method": string | null; "promo_code": string | null; "buyer": Contact; "lines": Array<OrderLine>; "tickets": Array<Ticket>; "show_id": string; "answers": Array<Answer>; "placed_at": string | null };

/** One line of an order */
export type OrderLine = { "product_id": string; "title": string; "quantity": number; "unit_price": Money; "total": Money };

/** State of an order */
export type OrderStatus = "placed" | "paid" | "cancelled";

/** An order with where it is */
export type OrderView = { "connection": string; "order": Order };

/** The other one */
export type Other = { "with": PersonId };

/** What came of something */
export type Outcome = "begun" | "done" | "failed" | "looked" | "refused";

/** Why an edit does not count */
export type OverruledWhy = "owner" | "same_second" | "shorter";

/** The hub's work */
export type Overview = { "at": string; "uptime_s": number; "inbox": Inbox; "intake": IntakeView; "space": Space; "effects": EffectCounts; "quarantined": number; "calls_out": number; "withheld": Array<Withheld>; "totals": Snapshot; "connections": Array<ConnectionState>; "paused": Array<PauseRow> };

/** A page of a list, newest first */
export type PageOfAlarm = { "data": Array<Alarm>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfApiKey = { "data": Array<ApiKey>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfAuditRow = { "data": Array<AuditRow>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfCase = { "data": Array<Case>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfConflictView = { "data": Array<ConflictView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfDeadLetter = { "data": Array<DeadLetter>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfDelivery = { "data": Array<Delivery>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfDoubtView = { "data": Array<DoubtView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfEffect = { "data": Array<Effect>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfEnvelope = { "data": Array<Envelope>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfFlowChange = { "data": Array<FlowChange>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfFlowState = { "data": Array<FlowState>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfHistoryLine = { "data": Array<HistoryLine>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfHold = { "data": Array<Hold>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfHubPerson = { "data": Array<HubPerson>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfIncident = { "data": Array<Incident>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfListedConnection = { "data": Array<ListedConnection>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfOrderView = { "data": Array<OrderView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfPauseRow = { "data": Array<PauseRow>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfPublicKey = { "data": Array<PublicKey>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfRefund = { "data": Array<Refund>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfReport = { "data": Array<Report>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfRetentionRule = { "data": Array<RetentionRule>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfRunView = { "data": Array<RunView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfShowView = { "data": Array<ShowView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfShown = { "data": Array<Shown>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfSuppressionRow = { "data": Array<SuppressionRow>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfTicketView = { "data": Array<TicketView>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfTold = { "data": Array<Told>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfWebhook = { "data": Array<Webhook>; "next_cursor": string | null };

/** A page of a list, newest first */
export type PageOfWebhookDelivery = { "data": Array<WebhookDelivery>; "next_cursor": string | null };

/** What a person may stop for a while */
export type PauseKind = "connection" | "flow" | "class";

/** Something that a person has paused */
export type PauseRow = { "kind": PauseKind; "name": string; "reason": string | null; "by": string; "since": string };

/** What was done, and the person after it */
export type PersonDeed = { "deed": DeedId; "person": PersonView | null };

/** A document: its kind and the number as it is compared */
export type PersonDocument = { "kind": string; "number": string };

/** A field of a person */
export type PersonField = "name" | "email" | "phone" | "channel_user" | "language" | "job_title" | "document";

export type PersonId = string;

/** Names a provider's record that speaks of one natural person. An order stands for its buyer */
export type PersonSource = { "connection": string; "kind": string; "id": string };

/** A person with what is to be known of them */
export type PersonView = { "id": PersonId; "brand": string; "name": string; "first_name": string; "last_name": string; "email": EmailAddress | null; "phone": Phone | null; "channel_user": string | null; "language": string | null; "job_title": string | null; "document": HubDocument | null; "records": Array<HubRecord>; "merged": Array<PersonId>; "deleted": boolean; "doubts": Array<DoubtView>; "conflicts": Array<ConflictView> };

export type Phone = string;

/** One step */
export type PlanStep = { "id": string; "what": string; "why": string; "change": Change; "request"?: Shown2 | null };

/** What is done with a record that the hub does not know as it is */
export type Policy = "report" | "propose" | "repair";

/** Something that can be bought */
export type Product = { "id": string; "title": string; "show_id": string; "is_ticket": boolean; "tiers": Array<Tier> };

/** What the hub found when it recorded a consent. It is never judged again: a text that is known later proves nothing earlier */
export type Proof = { "complete": boolean; "missing": Array<string>; "text"?: string | null; "channels"?: Array<string>; "guarded": boolean };

/** How a plan is applied */
export type ProvisionAsk = { "fingerprint"?: string | null; "limit"?: number | null };

/** A connection's plan */
export type ProvisionPlan = { "connection": string; "provider": string; "todo": number; "fingerprint": string; "steps": Array<PlanStep>; "missing": Array<MissingRight>; "advice": Array<string> };

/** What came of applying a plan */
export type Provisioned = { "done": Array<DoneStep>; "refused": Array<RefusedStep>; "kept": Array<string>; "stopped": string | null; "plan": ProvisionPlan };

/** The public half of a key that signs tickets */
export type PublicKey = { "id": string; "public_key": string; "algorithm": string; "made_at": string; "signs": boolean };

/** Texts to push */
export type Push = { "flows": Array<FlowFile>; "dry_run"?: boolean };

/** Who pushed a flow */
export type Pushed = { "by": string; "at": string };

/** Why a person does what they do */
export type Reason = { "reason"?: string | null };

/** What a record should say and does not. Only fields that such a record can carry */
export type RecordDiffers = { "name"?: string | null; "first_name"?: string | null; "last_name"?: string | null; "email"?: EmailAddress | null; "phone"?: Phone | null; "clear"?: Array<PersonField> };

/** A request for a refund, and what came of it */
export type Refund = { "connection": string; "order_id": string; "number": number; "order_number": string; "show_id": string; "amount": Money; "refunded_before": Money; "cancel_order": boolean; "reason": string; "state": RefundState; "asked_by": Somebody; "asked_at": string; "expires_at": string; "decided_by": Somebody | null; "decided_at": string | null; "outcome": RefundOutcome | null; "why": string | null; "event_id": EventId | null };

/** What came of a refund */
export type RefundOutcome = "under_way" | "done" | "already" | "refused" | "unknown" | "stuck";

/** Where a request stands */
export type RefundState = "waiting" | "approved" | "refused" | "withdrawn" | "expired";

/** A step that was refused */
export type RefusedStep = { "id": string; "what": string; "why": string };

/** An address that is written to again */
export type Removed = { "address": string; "suppressed": boolean };

/** A webhook that is here no more */
export type Removed2 = { "id": string; "removed": boolean };

/** Which deliveries are decided again, or only looked at */
export type Replay = { "status"?: DeliveryStatus | null; "connection"?: string | null; "since"?: string | null; "until"?: string | null; "type"?: string | null; "dry_run"?: boolean; "limit"?: number | null; "cursor"?: string | null };

/** From when on events are sent again */
export type Replay2 = { "since": string };

/** What came of a page, or would */
export type ReplayAnswer = { "data": ReplayPage; "next_cursor": string | null; "dry_run": boolean };

/** What came of a page, or would */
export type ReplayPage = { "deliveries": number; "facts": number; "known": number; "events": Record<string, number>; "unread": number; "without_connection": number; "without_body": number };

/** A delivery that goes through the deciders again */
export type Replayed = { "delivery": DeliveryId };

/** Result of the last reconciliation of one task; kept sealed in the store, so that it outlives the process and every node shows it */
export type Report = { "task": string; "started_at": string; "ended_at": string; "from_beginning": boolean; "policy": Policy; "read": number; "same": number; "news": number; "missing": number; "different": number; "extra": number | null; "findings": Array<Finding>; "findings_left_out": number; "calls": number; "problem": string | null };

/** Who asks (Decreto 1377 de 2013, art. 20) */
export type Requester = "person" | "heir" | "representative" | "third_party";

/** What goes on */
export type Resumed = { "kind": PauseKind; "name": string; "paused": boolean };

/** How one kind of thing is kept */
export type RetentionRule = { "kind": string; "keep_days": number | null; "basis": string; "removed": number; "passed_at": string | null; "oldest": string | null };

/** A key that opens nothing any more */
export type Revoked = { "id": string; "revoked": boolean };

/** How a key is given a new text */
export type Rotation = { "overlap_s"?: number };

/** A new secret */
export type Rotation2 = { "secret"?: string | null; "overlap_hours"?: number };

/** What became of a row */
export type RowState = "accepted" | "known" | "refused";

/** Rows to import */
export type Rows = { "rows": Array<ConsentRow> };

/** What was decided */
export type Ruling = "granted" | "partly" | "denied";

export type RunId = string;

/** State of a run */
export type RunStatus = "running" | "blocked" | "settling" | "done" | "cancelled" | "failed";

/** A run as it is alone, with its effects whole in place of their ids */
export type RunStory = { "id": RunId; "flow": string; "version": number; "event_id": EventId; "status": RunStatus; "created_at": string; "updated_at": string; "steps": unknown; "effects": Array<Effect>; "waits": Record<string, string>; "missing": Array<EntityRef>; "problems": Array<string> };

/** A run as the API shows it */
export type RunView = { "id": RunId; "flow": string; "version": number; "event_id": EventId; "status": RunStatus; "created_at": string; "updated_at": string; "steps": unknown; "effects": Record<string, EffectId>; "waits": Record<string, string>; "missing": Array<EntityRef>; "problems": Array<string> };

/** A scan of a ticket, with the name of its list */
export type ScanView = { "id": string; "ticket_id": string; "show_id": string; "list_id": string; "at": string | null; "undone": boolean; "list": string };

export type Scope = "read" | "write" | "overview:read" | "care:read" | "connections:read" | "connections:write" | "flows:read" | "flows:write" | "pauses:read" | "pauses:write" | "events:read" | "deliveries:read" | "deliveries:write" | "runs:read" | "runs:write" | "effects:read" | "messages:read" | "dead-letters:read" | "dead-letters:write" | "consents:read" | "consents:write" | "people:read" | "people:write" | "suppressions:read" | "suppressions:write" | "cases:read" | "cases:write" | "incidents:read" | "incidents:write" | "holds:read" | "holds:write" | "texts:read" | "texts:write" | "registry:read" | "registry:write" | "ticket-keys:read" | "ticket-keys:write" | "shows:read" | "shows:write" | "tickets:read" | "tickets:write" | "portfolios:read" | "portfolios:write" | "refunds:read" | "sandbox:read" | "sandbox:write" | "webhooks:read" | "webhooks:write" | "keys:read" | "keys:write" | "users:read" | "users:write" | "audit:read" | "backups:write" | "secrets:read" | "secrets:write" | "role:owner" | "role:operator" | "role:producer" | "role:designer" | "role:support" | "role:finance" | "role:gate" | "role:privacy" | "role:viewer";

/** A secret, without the secret */
export type SecretView = { "id": string; "created_at": string; "ends_at": string | null };

/** Something that some servers of a provider can do and others cannot */
export type ServerCan = { "name": string; "es": string; "en": string; "since": string; "has": boolean | null };

/** A fashion event: runway, fair, pop-up */
export type Show = { "id": string; "title": string; "status": ShowStatus; "starts_at": string | null; "ends_at": string | null; "time_zone": string; "currency": Currency | null; "venue": Venue };

/** How much belongs to a show */
export type ShowCounts = { "orders": number; "tickets": number };

/** Who came through the door of a show */
export type ShowDoor = { "inside": number; "lists": Array<ShowDoorList> };

/** A list by which a door lets in */
export type ShowDoorList = { "id": string; "name": string; "tickets": number | null; "inside": number; "open": boolean | null };

/** State of a show */
export type ShowStatus = "draft" | "live" | "archived";

/** A show with where it is and how much belongs to it */
export type ShowView = { "connection": string; "show": Show; "counts": ShowCounts };

/** Who waits for a place at a show, where it has a waitlist */
export type ShowWaitlist = { "waiting": number; "offered": number; "purchased": number; "expired": number };

/** A version, and whether it is the one in force */
export type Shown = { "id": string; "kind": TextKind; "name": string; "version": string; "locale": string; "text": string; "sha256": string; "purposes": Array<string>; "channels": Array<string>; "reopens": Array<string>; "notice": string | null; "in_force_from": string; "added_at": string; "in_force": boolean };

/** A request as it is shown: without secrets, and with `{{name.id}}` where an id is known only when an earlier step is done */
export type Shown2 = { "method": string; "path": string; "body": unknown };

/** A reading of the counters */
export type Snapshot = { "accepted": number; "known": number; "refused": number; "capped": number; "care_failed": number; "decided": number; "duplicates": number; "quarantined": number; "events": number; "conflicts": number; "decide_failures": number; "runs": number; "runs_done": number; "dead": number; "unknown": number; "deferred": number; "dropped": number; "stale": number; "backstop": number; "breaker_opened": number; "reconciled": number; "reconcile_failed": number; "found_missing": number; "found_different": number; "found_extra": number };

/** Somebody who works in the hub */
export type Somebody = { "id": string; "name": string };

/** How much of the file is used. All 0 where the database is a server's */
export type Space = { "bytes": number; "free_bytes": number; "gives_back": boolean };

/** What counts now */
export type Standing = { "purpose": string; "channel": string | null; "state": ConsentState; "at": string; "record_id": string; "given": boolean; "denied": Denied | null; "evidence": Evidence | null };

/** Everything that one event led to */
export type Story = { "event": Envelope; "delivery": WholeDelivery | null; "runs": Array<RunStory> };

/** A delivery that waits for a person */
export type Stuck = { "id": DeliveryId; "connection": string; "received_at": string; "state": DeliveryStatus; "why": string | null };

/** Why an address is not written to. A stronger cause takes the place of a weaker one */
export type SuppressionCause = "unsubscribed" | "bounced" | "complained" | "asked";

/** An address that is not written to. Found by its keyed hash, kept sealed */
export type SuppressionRow = { "address": string; "cause": SuppressionCause; "why": string | null; "by": string; "since": string };

/** How a trial went */
export type TestOutcome = { "id": string; "delivered": boolean; "status": number | null; "millis": number; "answer": string | null; "problem": string | null };

/** What a text is */
export type TextKind = "consent" | "notice" | "policy";

/** One version of a text in one language. Immutable */
export type TextVersion = { "id": string; "kind": TextKind; "name": string; "version": string; "locale": string; "text": string; "sha256": string; "purposes": Array<string>; "channels": Array<string>; "reopens": Array<string>; "notice": string | null; "in_force_from": string; "added_at": string };

/** A ticket (boleta) of one guest */
export type Ticket = { "id": string; "code": string; "status": TicketStatus; "holder": Contact; "product_id": string; "tier_id": string | null; "show_id": string; "order_id": string; "occurrence_id"?: string | null; "link"?: string | null; "qr"?: string | null; "seller"?: string | null; "title"?: string | null };

/** State of a ticket */
export type TicketStatus = "active" | "awaiting_payment" | "cancelled";

/** A ticket with where it is */
export type TicketView = { "connection": string; "ticket": Ticket };

/** A tier of a product */
export type Tier = { "id": string; "label": string | null; "price": Money };

/** Something that a person said */
export type Told = Standing | ConsentEntry;

/** Language of letters */
export type Tongue = "es" | "en";

/** Why personal data may go abroad */
export type Transfer = { "basis": Basis; "reference": string; "since": string };

/** How near the end of a term is */
export type Urgency = "calm" | "soon" | "goal" | "late";

/** Where a show takes place */
export type Venue = { "name": string | null; "address": string | null; "city": string | null };

/** An endpoint */
export type Webhook = { "id": string; "url": string; "description": string | null; "types": Array<string>; "brand": string | null; "headers": Array<string>; "secrets": Array<SecretView>; "give_up_after_hours": number; "pause_after_hours": number; "country": string | null; "transfer": Transfer | null; "created_at": string; "created_by": string; "changed_at": string; "state": WebhookState; "paused_since": string | null; "paused_by": string | null; "pause_reason": string | null; "failing_since": string | null; "last_success_at": string | null; "last_problem": string | null; "taken_until": string; "waiting": number; "in_flight": number; "dead": number };

/** What is to be otherwise; what is left out stays */
export type WebhookChange = { "url"?: string | null; "description"?: string | null; "types"?: Array<string> | null; "headers"?: Record<string, string> | null; "give_up_after_hours"?: number | null; "pause_after_hours"?: number | null; "country"?: string | null; "transfer"?: Transfer | null };

/** One event on its way to a webhook */
export type WebhookDelivery = { "effect_id": EffectId; "event_id": EventId | null; "state": string; "attempt": number; "created_at": string; "not_before": string | null; "give_up_at": string; "code": string | null };

/** How an endpoint stands */
export type WebhookState = "active" | "failing" | "paused" | "paused_failing" | "paused_gone";

/** Kind of whoever does something */
export type WhoKind = "person" | "key" | "command_line" | "system";

/** A delivery with headers and body, as received */
export type WholeDelivery = { "id": DeliveryId; "connection": string; "received_at": string; "source": string; "status": DeliveryStatus; "reason": string | null; "events": Array<EventId>; "headers": Array<Header>; "body": string };

/** A flow in force, with its text */
export type WholeFlow = { "name": string; "version": number; "from": string; "title": Record<string, string>; "on": Array<string>; "live": Record<string, unknown>; "paused": PauseRow | null; "pushed": Pushed | null; "text": string; "outline": unknown };

/** A show with what is sold for it */
export type WholeShow = { "connection": string; "show": Show; "counts": ShowCounts; "products": Array<Product>; "door": ShowDoor; "waitlist": ShowWaitlist };

/** A ticket with where it is, and when it was scanned */
export type WholeTicket = { "connection": string; "ticket": Ticket; "scans": Array<ScanView> };

/** How many effects of a connection a rule withheld */
export type Withheld = { "connection": string; "rule": string; "count": number };

/** The API of a hub. Each method is one operation of its document. */
export class Pasarela extends Caller {
  /** Names of everything that this API has. */
  get(): Promise<Names> {
    return this.call(`/api/v1`, "GET", undefined, undefined);
  }

  /** What needs a person now. */
  getAlarms(): Promise<PageOfAlarm> {
    return this.call(`/api/v1/alarms`, "GET", undefined, undefined);
  }

  /** Who did what, newest first. */
  getAudit(query?: { "who"?: string; "action"?: string; "subject"?: string; "kind"?: AuditKind; "from"?: string; "until"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfAuditRow> {
    return this.call(`/api/v1/audit`, "GET", query, undefined);
  }

  /** One entry of the audit. */
  getAuditBySeq(seq: string): Promise<AuditRow> {
    return this.call(`/api/v1/audit/${part(seq)}`, "GET", undefined, undefined);
  }

  /** How the store is kept. */
  getCare(): Promise<Care> {
    return this.call(`/api/v1/care`, "GET", undefined, undefined);
  }

  /** Requests of people: consultas, reclamos, PQR. */
  getCases(query?: { "all"?: boolean; "person"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfCase> {
    return this.call(`/api/v1/cases`, "GET", query, undefined);
  }

  /** Open a case: a request of a person, also one that came on paper. */
  postCases(body: NewCase, once?: Once): Promise<Case> {
    return this.call(`/api/v1/cases`, "POST", undefined, body, once);
  }

  /** One case, by its number. */
  getCasesById(id: string): Promise<Case> {
    return this.call(`/api/v1/cases/${part(id)}`, "GET", undefined, undefined);
  }

  /** Do a step of a case: complete, extend, decide, answer, . */
  postCasesByIdSteps(id: string, body: CaseStep, once?: Once): Promise<Case> {
    return this.call(`/api/v1/cases/${part(id)}/steps`, "POST", undefined, body, once);
  }

  /** API keys, without their texts. */
  getKeys(): Promise<PageOfApiKey> {
    return this.call(`/api/v1/keys`, "GET", undefined, undefined);
  }

  /** Make a key: its text is shown once. */
  postKeys(body: KeyWish, once?: Once): Promise<NewKey> {
    return this.call(`/api/v1/keys`, "POST", undefined, body, once);
  }

  /** Give a key a new text; the old one still opens for a time. */
  postKeysByIdRotate(id: string, body?: Rotation, once?: Once): Promise<NewKey> {
    return this.call(`/api/v1/keys/${part(id)}/rotate`, "POST", undefined, body, once);
  }

  /** End a key for good. */
  postKeysByIdRevoke(id: string, once?: Once): Promise<Revoked> {
    return this.call(`/api/v1/keys/${part(id)}/revoke`, "POST", undefined, undefined, once);
  }

  /** Legal holds. */
  getHolds(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfHold> {
    return this.call(`/api/v1/holds`, "GET", query, undefined);
  }

  /** Set a legal hold: nothing about its person or of its case is removed until it is ended. */
  postHolds(body: NewHold, once?: Once): Promise<Hold> {
    return this.call(`/api/v1/holds`, "POST", undefined, body, once);
  }

  /** End a legal hold. */
  postHoldsByIdEnd(id: string, once?: Once): Promise<Hold> {
    return this.call(`/api/v1/holds/${part(id)}/end`, "POST", undefined, undefined, once);
  }

  /** How long everything is kept, on which basis, and what went. */
  getRetention(): Promise<PageOfRetentionRule> {
    return this.call(`/api/v1/retention`, "GET", undefined, undefined);
  }

  /** Security incidents. */
  getIncidents(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfIncident> {
    return this.call(`/api/v1/incidents`, "GET", query, undefined);
  }

  /** Register a security incident: its clock of 15 business days runs from `detected_at`. */
  postIncidents(body: NewIncident, once?: Once): Promise<Incident> {
    return this.call(`/api/v1/incidents`, "POST", undefined, body, once);
  }

  /** One incident: the fields of the sheet for the authority. */
  getIncidentsById(id: string): Promise<Incident> {
    return this.call(`/api/v1/incidents/${part(id)}`, "GET", undefined, undefined);
  }

  /** Add what is known, note the report, or close an incident. */
  postIncidentsByIdSteps(id: string, body: IncidentStep, once?: Once): Promise<Incident> {
    return this.call(`/api/v1/incidents/${part(id)}/steps`, "POST", undefined, body, once);
  }

  /** What a person has agreed to, by purpose and channel; with `history`, all that was ever said. */
  getConsents(query: { "person": string; "history"?: boolean; "limit"?: number }): Promise<PageOfTold> {
    return this.call(`/api/v1/consents`, "GET", query, undefined);
  }

  /** Record what a person said: given or withdrawn. */
  postConsents(body: ConsentStatement, once?: Once): Promise<Counted> {
    return this.call(`/api/v1/consents`, "POST", undefined, body, once);
  }

  /** Take in a list of consents that were given elsewhere. */
  postConsentsImport(body: Rows, once?: Once): Promise<ConsentImport> {
    return this.call(`/api/v1/consents/import`, "POST", undefined, body, once);
  }

  /** Deliveries: what came in. */
  getDeliveries(query?: { "status"?: DeliveryStatus; "limit"?: number; "cursor"?: string }): Promise<PageOfDelivery> {
    return this.call(`/api/v1/deliveries`, "GET", query, undefined);
  }

  /** Decide deliveries again, a page at a time. */
  postDeliveriesReplay(body: Replay, once?: Once): Promise<ReplayAnswer> {
    return this.call(`/api/v1/deliveries/replay`, "POST", undefined, body, once);
  }

  /** One delivery, with headers and body as received. */
  getDeliveriesById(id: string): Promise<WholeDelivery> {
    return this.call(`/api/v1/deliveries/${part(id)}`, "GET", undefined, undefined);
  }

  /** Decide one delivery again. */
  postDeliveriesByIdReplay(id: string, once?: Once): Promise<Replayed> {
    return this.call(`/api/v1/deliveries/${part(id)}/replay`, "POST", undefined, undefined, once);
  }

  /** Canonical events. */
  getEvents(query?: { "type"?: string; "connection"?: string; "key"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfEnvelope> {
    return this.call(`/api/v1/events`, "GET", query, undefined);
  }

  /** One event. */
  getEventsById(id: string): Promise<Envelope> {
    return this.call(`/api/v1/events/${part(id)}`, "GET", undefined, undefined);
  }

  /** Everything that one event led to: delivery, runs, effects, attempts. */
  getEventsByIdStory(id: string): Promise<Story> {
    return this.call(`/api/v1/events/${part(id)}/story`, "GET", undefined, undefined);
  }

  /** Runs of flows. */
  getRuns(query?: { "status"?: string; "event"?: EventId; "limit"?: number; "cursor"?: string }): Promise<PageOfRunView> {
    return this.call(`/api/v1/runs`, "GET", query, undefined);
  }

  /** One run. */
  getRunsById(id: string): Promise<RunView> {
    return this.call(`/api/v1/runs/${part(id)}`, "GET", undefined, undefined);
  }

  /** End a run. */
  postRunsByIdCancel(id: string, body?: Reason, once?: Once): Promise<Cancelled> {
    return this.call(`/api/v1/runs/${part(id)}/cancel`, "POST", undefined, body, once);
  }

  /** Flows in force. */
  getFlows(): Promise<PageOfFlowState> {
    return this.call(`/api/v1/flows`, "GET", undefined, undefined);
  }

  /** Put flows in force, all or none, without a restart. */
  postFlows(body: Push, once?: Once): Promise<PageOfFlowChange> {
    return this.call(`/api/v1/flows`, "POST", undefined, body, once);
  }

  /** One flow, with its text and outline. */
  getFlowsByName(name: string): Promise<WholeFlow> {
    return this.call(`/api/v1/flows/${part(name)}`, "GET", undefined, undefined);
  }

  /** Why a message went out when it did, or did not. */
  getMessagesByIdExplanation(id: string): Promise<Explanation> {
    return this.call(`/api/v1/messages/${part(id)}/explanation`, "GET", undefined, undefined);
  }

  /** What people have paused. */
  getPauses(): Promise<PageOfPauseRow> {
    return this.call(`/api/v1/pauses`, "GET", undefined, undefined);
  }

  /** Pause a connection, a flow or a class of message: what it would do is kept. */
  postByKindByNamePause(kind: string, name: string, body?: Reason, once?: Once): Promise<PauseRow> {
    return this.call(`/api/v1/${part(kind)}/${part(name)}/pause`, "POST", undefined, body, once);
  }

  /** Let what was paused go on, in its order. */
  postByKindByNameResume(kind: string, name: string, once?: Once): Promise<Resumed> {
    return this.call(`/api/v1/${part(kind)}/${part(name)}/resume`, "POST", undefined, undefined, once);
  }

  /** The hub's work, in one answer. */
  getOverview(): Promise<Overview> {
    return this.call(`/api/v1/overview`, "GET", undefined, undefined);
  }

  /** Effects: calls that runs want made. */
  getEffects(query?: { "state"?: string; "connection"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfEffect> {
    return this.call(`/api/v1/effects`, "GET", query, undefined);
  }

  /** One effect, with its input, last request and attempts. */
  getEffectsById(id: string): Promise<Effect> {
    return this.call(`/api/v1/effects/${part(id)}`, "GET", undefined, undefined);
  }

  /** What needs a person: effects, deliveries in quarantine, proposals. */
  getDeadLetters(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfDeadLetter> {
    return this.call(`/api/v1/dead-letters`, "GET", query, undefined);
  }

  /** Send an effect again under a new key, or decide a delivery again. */
  postDeadLettersByIdRetry(id: string, once?: Once): Promise<Changed> {
    return this.call(`/api/v1/dead-letters/${part(id)}/retry`, "POST", undefined, undefined, once);
  }

  /** Give up an effect, or leave a delivery undecided. */
  postDeadLettersByIdDrop(id: string, once?: Once): Promise<Changed> {
    return this.call(`/api/v1/dead-letters/${part(id)}/drop`, "POST", undefined, undefined, once);
  }

  /** Addresses that are not written to, and why. */
  getSuppressions(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfSuppressionRow> {
    return this.call(`/api/v1/suppressions`, "GET", query, undefined);
  }

  /** Write to an address no more. */
  postSuppressions(body: Add, once?: Once): Promise<SuppressionRow> {
    return this.call(`/api/v1/suppressions`, "POST", undefined, body, once);
  }

  /** Write to an address again. */
  postSuppressionsRemove(body: Named, once?: Once): Promise<Removed> {
    return this.call(`/api/v1/suppressions/remove`, "POST", undefined, body, once);
  }

  /** Versions of the texts that people agree to, the latest in force first. */
  getTexts(query?: { "kind"?: TextKind; "name"?: string; "version"?: string }): Promise<PageOfShown> {
    return this.call(`/api/v1/texts`, "GET", query, undefined);
  }

  /** Add a version of a text. */
  postTexts(body: NewText, once?: Once): Promise<TextVersion> {
    return this.call(`/api/v1/texts`, "POST", undefined, body, once);
  }

  /** Public keys that verify tickets without a network, the one that signs last. */
  getTicketsKeys(): Promise<PageOfPublicKey> {
    return this.call(`/api/v1/tickets/keys`, "GET", undefined, undefined);
  }

  /** Connections and how they stand. */
  getConnections(): Promise<PageOfListedConnection> {
    return this.call(`/api/v1/connections`, "GET", undefined, undefined);
  }

  /** One connection, with its last reconciliations. */
  getConnectionsByName(name: string): Promise<Connection> {
    return this.call(`/api/v1/connections/${part(name)}`, "GET", undefined, undefined);
  }

  /** Read a connection's records now, and take in what its webhooks missed. */
  postConnectionsByNameReconcile(name: string, body?: Ask, once?: Once): Promise<PageOfReport> {
    return this.call(`/api/v1/connections/${part(name)}/reconcile`, "POST", undefined, body, once);
  }

  /** What would bring a provider's account to its model; nothing is changed. */
  getConnectionsByNamePlan(name: string): Promise<ProvisionPlan> {
    return this.call(`/api/v1/connections/${part(name)}/plan`, "GET", undefined, undefined);
  }

  /** Do the steps of that plan. */
  postConnectionsByNamePlanApply(name: string, body?: ProvisionAsk, once?: Once): Promise<Provisioned> {
    return this.call(`/api/v1/connections/${part(name)}/plan/apply`, "POST", undefined, body, once);
  }

  /** Shows of every connection, by connection and id. */
  getShows(query?: { "connection"?: string; "status"?: ShowStatus; "limit"?: number; "cursor"?: string }): Promise<PageOfShowView> {
    return this.call(`/api/v1/shows`, "GET", query, undefined);
  }

  /** One show, with what is sold for it and who came in. */
  getShowsByConnectionById(connection: string, id: string): Promise<WholeShow> {
    return this.call(`/api/v1/shows/${part(connection)}/${part(id)}`, "GET", undefined, undefined);
  }

  /** Orders of a show, the first seen last. */
  getShowsByConnectionByIdOrders(connection: string, id: string, query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfOrderView> {
    return this.call(`/api/v1/shows/${part(connection)}/${part(id)}/orders`, "GET", query, undefined);
  }

  /** Tickets of a show, the first seen last. */
  getShowsByConnectionByIdTickets(connection: string, id: string, query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfTicketView> {
    return this.call(`/api/v1/shows/${part(connection)}/${part(id)}/tickets`, "GET", query, undefined);
  }

  /** One order, with its tickets. */
  getOrdersByConnectionById(connection: string, id: string): Promise<OrderView> {
    return this.call(`/api/v1/orders/${part(connection)}/${part(id)}`, "GET", undefined, undefined);
  }

  /** One ticket, and when it was scanned. */
  getTicketsByConnectionById(connection: string, id: string): Promise<WholeTicket> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}`, "GET", undefined, undefined);
  }

  /** Requests to give money back, newest first. */
  getRefunds(query?: { "open"?: boolean; "limit"?: number; "cursor"?: string }): Promise<PageOfRefund> {
    return this.call(`/api/v1/refunds`, "GET", query, undefined);
  }

  /** One request to give money back: the order's, by its number from 1. */
  getRefundsByConnectionByIdByNumber(connection: string, id: string, number: string): Promise<Refund> {
    return this.call(`/api/v1/refunds/${part(connection)}/${part(id)}/${part(number)}`, "GET", undefined, undefined);
  }

  /** Make a show public. */
  postShowsByConnectionByIdPublish(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/shows/${part(connection)}/${part(id)}/publish`, "POST", undefined, body, once);
  }

  /** Archive a show. */
  postShowsByConnectionByIdArchive(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/shows/${part(connection)}/${part(id)}/archive`, "POST", undefined, body, once);
  }

  /** Cancel an order. */
  postOrdersByConnectionByIdCancel(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/orders/${part(connection)}/${part(id)}/cancel`, "POST", undefined, body, once);
  }

  /** Take an order as paid. */
  postOrdersByConnectionByIdMarkPaid(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/orders/${part(connection)}/${part(id)}/mark-paid`, "POST", undefined, body, once);
  }

  /** Cancel a ticket. */
  postTicketsByConnectionByIdCancel(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}/cancel`, "POST", undefined, body, once);
  }

  /** Send a ticket to its holder again. */
  postTicketsByConnectionByIdResend(connection: string, id: string, body?: NothingMore, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}/resend`, "POST", undefined, body, once);
  }

  /** Give a ticket another holder. */
  postTicketsByConnectionByIdHolder(connection: string, id: string, body?: NewHolder, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}/holder`, "POST", undefined, body, once);
  }

  /** Let a ticket's holder in. */
  postTicketsByConnectionByIdCheckIn(connection: string, id: string, body: CheckInBy, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}/check-in`, "POST", undefined, body, once);
  }

  /** Take a check-in back. */
  postTicketsByConnectionByIdCheckOut(connection: string, id: string, body: CheckOutOf, once?: Once): Promise<Asked> {
    return this.call(`/api/v1/tickets/${part(connection)}/${part(id)}/check-out`, "POST", undefined, body, once);
  }

  /** Webhooks to services of your own, and how they stand. */
  getWebhooks(): Promise<PageOfWebhook> {
    return this.call(`/api/v1/webhooks`, "GET", undefined, undefined);
  }

  /** Make a webhook: its secret is shown once. */
  postWebhooks(body: NewWebhook, once?: Once): Promise<NewlySigned> {
    return this.call(`/api/v1/webhooks`, "POST", undefined, body, once);
  }

  /** One webhook. */
  getWebhooksById(id: string): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}`, "GET", undefined, undefined);
  }

  /** Change a webhook; what is left out stays. */
  postWebhooksByIdChange(id: string, body: WebhookChange, once?: Once): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}/change`, "POST", undefined, body, once);
  }

  /** Remove a webhook, and with it what it has not been sent. */
  postWebhooksByIdRemove(id: string, once?: Once): Promise<Removed2> {
    return this.call(`/api/v1/webhooks/${part(id)}/remove`, "POST", undefined, undefined, once);
  }

  /** Give a webhook a new secret; those before sign beside it for a time. */
  postWebhooksByIdSecrets(id: string, body?: Rotation2, once?: Once): Promise<NewlySigned> {
    return this.call(`/api/v1/webhooks/${part(id)}/secrets`, "POST", undefined, body, once);
  }

  /** End a secret of a webhook now. */
  postWebhooksByIdSecretsBySecretEnd(id: string, secret: string, once?: Once): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}/secrets/${part(secret)}/end`, "POST", undefined, undefined, once);
  }

  /** Send a trial that tells of nothing, once, and see the answer. */
  postWebhooksByIdTest(id: string, once?: Once): Promise<TestOutcome> {
    return this.call(`/api/v1/webhooks/${part(id)}/test`, "POST", undefined, undefined, once);
  }

  /** Pause a webhook: its events wait in the log. */
  postWebhooksByIdPause(id: string, body?: Reason, once?: Once): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}/pause`, "POST", undefined, body, once);
  }

  /** End a pause, a person's or the hub's: what waits goes on in its order. */
  postWebhooksByIdResume(id: string, once?: Once): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}/resume`, "POST", undefined, undefined, once);
  }

  /** Send everything since a moment again, under the same ids. */
  postWebhooksByIdReplay(id: string, body: Replay2, once?: Once): Promise<Webhook> {
    return this.call(`/api/v1/webhooks/${part(id)}/replay`, "POST", undefined, body, once);
  }

  /** What a webhook was sent, and what waits for it, newest first. */
  getWebhooksByIdDeliveries(id: string, query?: { "state"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfWebhookDelivery> {
    return this.call(`/api/v1/webhooks/${part(id)}/deliveries`, "GET", query, undefined);
  }

  /** Persons across all connections, the latest heard of first. */
  getPeople(query?: { "search"?: string; "limit"?: number; "cursor"?: string }): Promise<PageOfHubPerson> {
    return this.call(`/api/v1/people`, "GET", query, undefined);
  }

  /** Pairs that could be one person, for somebody to say. */
  getPeopleReview(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfDoubtView> {
    return this.call(`/api/v1/people/review`, "GET", query, undefined);
  }

  /** Edits that do not count, by the rules of ownership. */
  getPeopleConflicts(query?: { "limit"?: number; "cursor"?: string }): Promise<PageOfConflictView> {
    return this.call(`/api/v1/people/conflicts`, "GET", query, undefined);
  }

  /** Take in a list of contacts, each row by itself. */
  postPeopleImport(body: Contacts, once?: Once): Promise<ContactsReport> {
    return this.call(`/api/v1/people/import`, "POST", undefined, body, once);
  }

  /** One person, by any id that was ever theirs. */
  getPeopleById(id: string): Promise<PersonView> {
    return this.call(`/api/v1/people/${part(id)}`, "GET", undefined, undefined);
  }

  /** What was told and done with a person, the latest first. */
  getPeopleByIdHistory(id: string): Promise<PageOfHistoryLine> {
    return this.call(`/api/v1/people/${part(id)}/history`, "GET", undefined, undefined);
  }

  /** Two persons are one. */
  postPeopleByIdMerge(id: string, body: Other, once?: Once): Promise<PersonDeed> {
    return this.call(`/api/v1/people/${part(id)}/merge`, "POST", undefined, body, once);
  }

  /** Two persons are not one, and no rule joins them. */
  postPeopleByIdApart(id: string, body: Other, once?: Once): Promise<PersonDeed> {
    return this.call(`/api/v1/people/${part(id)}/apart`, "POST", undefined, body, once);
  }

  /** Records leave a person, together. */
  postPeopleByIdSplit(id: string, body: Leaving, once?: Once): Promise<PersonDeed> {
    return this.call(`/api/v1/people/${part(id)}/split`, "POST", undefined, body, once);
  }

  /** Take a deed back; an undoing too. */
  postPeopleByIdUndo(id: string, body: Back, once?: Once): Promise<PersonDeed> {
    return this.call(`/api/v1/people/${part(id)}/undo`, "POST", undefined, body, once);
  }

  /** Leave a conflict as it is. */
  postPeopleByIdConflictsAccept(id: string, body: Accepted, once?: Once): Promise<PersonView> {
    return this.call(`/api/v1/people/${part(id)}/conflicts/accept`, "POST", undefined, body, once);
  }
}
