// The generated client against a running hub: a key is made, events are read page by page, a consent is recorded
// once however often it is sent, problems are told apart by their codes.
import { Pasarela, Problem, pages, type ConsentStatement } from "./pasarela.js";

declare const process: { env: Record<string, string | undefined> };

function check(truth: boolean, what: string): void {
  if (!truth) throw new Error(what);
}

async function refused(asked: Promise<unknown>): Promise<Problem> {
  const told = await asked.then(() => undefined, (problem: unknown) => problem);
  if (!(told instanceof Problem)) throw new Error(`a problem was expected: ${told}`);
  return told;
}

const url = process.env.JUDGE_URL ?? "";
const owner = new Pasarela(url, process.env.JUDGE_KEY ?? "");
const made = await owner.postKeys({ name: "tablero", scopes: ["events:read", "consents:read", "consents:write"] });
const hub = new Pasarela(url, made.key);

const seen: string[] = [];
for await (const event of pages((cursor) => hub.getEvents({ limit: 2, cursor, type: "tienda.order.created" }))) seen.push(event.id);
check(seen.length === 5 && new Set(seen).size === 5, `five events by pages of two: ${seen}`);
check((await hub.getEventsById(seen[0])).type === "tienda.order.created", "one event");

const statement: ConsentStatement = {
  person: { email: "laura@correo.example", name: "Laura Ospina" },
  purpose: "analytics",
  state: "given",
  evidence: { channel: "form", text_version: "2026-11" },
};
const once = { key: "ts-consent-1" };
const [first, again] = [await hub.postConsents(statement, once), await hub.postConsents(statement, once)];
check(first.id === again.id, "sent again, it is the same record");
const other = await refused(hub.postConsents({ ...statement, purpose: "ads" }, once));
check(other.status === 422 && other.code === "idempotency_key_reused", other.message);

const missing = await refused(hub.getEventsById("evt_0000000000001"));
check(missing.status === 404 && missing.code === "not_found" && missing.type === "/docs/errors/not_found", missing.message);
check((await refused(hub.getRuns())).code === "missing_scope", "the key was made for events and consents");
check((await refused(new Pasarela(url, "psk_no").getEvents())).status === 401, "no key, no answer");

const incident = await owner.postIncidents({ title: "Portátil perdido" }, { key: "ts-incident" });
const stale = await refused(owner.postIncidentsByIdSteps(incident.number, { step: "update", persons: 3 }, { version: '"x"' }));
check(stale.status === 412 && stale.code === "changed_meanwhile", stale.message);
await owner.postKeysByIdRevoke(made.id);
check((await refused(hub.getEvents())).code === "unknown_key", "a revoked key opens nothing");
