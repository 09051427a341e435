// whatsapp-api-js, from npm, against our simulator of WhatsApp. The library believes that it speaks to Meta:
// only the host of its calls is another one.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

// Debian 12 has Node 18, where this is no global yet.
globalThis.crypto ??= webcrypto;

const library = pathToFileURL(`${process.argv[2]}/whatsapp-api-js/lib/`);
const { WhatsAppAPI } = await import(new URL("index.js", library));
const { Text, Template, Language, BodyComponent, BodyParameter } = await import(new URL("messages/index.js", library));

const { JUDGE_HUB_PORT, JUDGE_SANDBOX, JUDGE_NUMBER: number, JUDGE_APP_SECRET, JUDGE_TOKEN } = process.env;
const META = "https://graph.facebook.com/";

const toSandbox = (url, options) => {
    assert(String(url).startsWith(META), `the library called ${url}`);
    return fetch(`${JUDGE_SANDBOX}/wa/${String(url).slice(META.length)}`, options);
};
const api = new WhatsAppAPI({
    token: JUDGE_TOKEN, appSecret: JUDGE_APP_SECRET, v: "v26.0",
    ponyfill: { fetch: toSandbox, subtle: crypto.subtle },
});

// What the library made of each webhook.
const messages = [], statuses = [];
let failure;
api.on.message = (m) => { messages.push(m); };
api.on.status = (s) => { statuses.push(s); };
const bodies = [];
createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
        const raw = Buffer.concat(parts).toString("utf8");
        const signature = request.headers["x-hub-signature-256"];
        bodies.push({ raw, signature });
        try {
            await api.post(JSON.parse(raw), raw, signature);
        } catch (e) {
            failure ??= new Error(`the library refuses a webhook: ${e.stack}\n${raw}`);
        }
        response.end("{}");
    });
}).listen(Number(JUDGE_HUB_PORT), "127.0.0.1");

// Waits for what is bound to come; a minute is an error, not a guess.
async function until(what, look) {
    for (const end = Date.now() + 60_000; Date.now() < end;) {
        if (failure) throw failure;
        const found = await look();
        if (found) return found;
        await new Promise((go) => setTimeout(go, 50));
    }
    throw new Error(`${what} did not come; heard ${JSON.stringify({ messages, statuses })}`);
}
const sandbox = async (path, body) => {
    const answer = await fetch(`${JUDGE_SANDBOX}/_sandbox/${path}`, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    assert(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json();
};
const act = (command, args) => sandbox("wa/act", { command, args });

await until("the sandbox", () => fetch(`${JUDGE_SANDBOX}/_sandbox/health`).then((r) => r.ok, () => false));

// Free text before the guest has written: Meta's error, as the library reads errors.
const guest = "573001112233";
const early = await api.sendMessage(number, { phone: guest }, new Text("Hola"));
const hasCode = early.error?.code === 131047;
if (!hasCode) {
    // Meta takes the message and says so in a status.
    await until("the late refusal", () => statuses.find((s) => s.error?.code === 131047));
}

// A guest writes; the library verifies the signature and reads who and what.
await act("say", { phone: guest, name: "Luz Marina Ospina", text: "¿A qué hora abre la puerta? 🌸" });
const said = await until("the guest's message", () => messages.find((m) => m.message.type === "text"));
assert.equal(said.message.text.body, "¿A qué hora abre la puerta? 🌸");
assert.equal(said.phoneID, number);
assert.equal(said.contact.profile.name, "Luz Marina Ospina");
assert.equal(said.contact.wa_id, guest);

// An answer within the day: accepted, then sent, delivered and read, with our own key in each.
const answered = await api.sendMessage(number, { phone: guest }, new Text("A las 7:00 p. m."), undefined, "llave-1");
const id = answered.messages[0].id;
assert.match(id, /^wamid\./);
for (const status of ["sent", "delivered", "read"]) {
    const told = await until(`the status ${status}`, () => statuses.find((s) => s.id === id && s.status === status));
    assert.equal(told.biz_opaque_callback_data, "llave-1");
    assert.equal(told.phoneID, number);
}

// A template with values, to somebody who never wrote; the guest's phone shows it filled.
await act("define_template", { name: "boleta_confirmada", language: "es_CO", category: "UTILITY", body: "Hola {{1}}, tu boleta para {{2}} está lista." });
const body = new BodyComponent(new BodyParameter("Camila"), new BodyParameter("Aurora"));
const template = new Template("boleta_confirmada", new Language("es_CO"), body);
const sent = await api.sendMessage(number, { phone: "573009998877" }, template, undefined, "llave-2");
assert.match(sent.messages[0].id, /^wamid\./);
await until("the template's delivery", () => statuses.find((s) => s.biz_opaque_callback_data === "llave-2" && s.status === "delivered"));
const chats = await sandbox("wa/view/chats");
assert(JSON.stringify(chats).includes("Hola Camila, tu boleta para Aurora está lista."));

// A template that is not there: Meta's code.
const missing = await api.sendMessage(number, { phone: guest }, new Template("no_existe", new Language("es_CO")));
assert.equal(missing.error.code, 132001);

// A number without WhatsApp: accepted first, failed later, with its code.
await act("no_whatsapp", { phone: "573005550000" });
const accepted = await api.sendMessage(number, { phone: "573005550000" }, template, undefined, "llave-3");
assert(accepted.messages[0].id);
const failed = await until("the failure", () => statuses.find((s) => s.biz_opaque_callback_data === "llave-3" && s.status === "failed"));
assert.equal(failed.error.code, 131026);

// Read marks.
const read = await api.markAsRead(number, said.message.id);
assert.equal(read.success, true);

// The library's own doubt: one byte more, and it no longer believes the signature.
const { raw, signature } = bodies[0];
await assert.rejects(api.post(JSON.parse(raw), `${raw} `, signature));
if (failure) throw failure;
console.log(`whatsapp-api-js: ${bodies.length} webhooks verified and read`);
process.exit(0);
