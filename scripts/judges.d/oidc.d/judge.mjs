// A real OpenID provider, and a browser made of fetch: signs people in to a running hub, and tries what must not
// work. All persons are invented.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const modules = process.argv[2];
const { default: Provider } = await import(pathToFileURL(join(modules, "oidc-provider/lib/index.js")));
const { JUDGE_SECRET: secret, JUDGE_CONSOLE: console_, JUDGE_PROVIDER: port } = process.env;
const issuer = `http://127.0.0.1:${port}`;
const back = `${console_}/entrar/vuelta`;

const people = {
  luz: { email: "luz@example.com", email_verified: true, name: "Luz Ospina" },
  nora: { email: "sin.verificar@example.com", email_verified: false, name: "Nora" },
  nadie: { email: "nadie@example.com", email_verified: true, name: "Nadie Invitada" },
  // Another subject of the provider that has taken over an address which is bound already.
  otra: { email: "luz@example.com", email_verified: true, name: "Otra Luz" },
};
const client = (client_id) => ({
  client_id, client_secret: secret, redirect_uris: [back], response_types: ["code"], grant_types: ["authorization_code"],
});
const provider = new Provider(issuer, {
  clients: [client("pasarela"), client("otro")],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["una-clave-de-prueba"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
});
provider.on("server_error", (_, error) => console.error("the provider:", error));
// The one thing that a real provider does not do: hand out a token that was made for another client.
let swapped = null;
const answers = provider.callback();
const server = createServer((request, response) => {
  if (swapped && request.method === "POST" && request.url === "/token") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(swapped));
    return;
  }
  answers(request, response);
});
await new Promise((listening) => server.listen(port, "127.0.0.1", listening));

/** A browser: keeps cookies of both sides, follows nothing by itself. */
let browsers = 0;
class Browser {
  jars = new Map();
  // Each from another place, as a proxy on this machine would say it: none waits for the tries of the others.
  place = `192.0.2.${(browsers += 1)}`;
  async go(url, options = {}) {
    const { host } = new URL(url);
    const jar = this.jars.get(host) ?? new Map();
    this.jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...options.headers, cookie, "user-agent": "judge Firefox/140 Linux", "x-forwarded-for": this.place };
    const answer = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split(/=(.*)/s);
      if (value === "" || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name); else jar.set(name, value);
    }
    return answer;
  }
  form(url, fields) {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return this.go(url, { method: "POST", headers, body: new URLSearchParams(fields) });
  }
  /** To the hub's button: where it sends the browser. */
  async leave() {
    const answer = await this.go(`${console_}/entrar/proveedor`);
    if (answer.status !== 303) throw new Error(`the hub sends nobody away: ${answer.status} ${await answer.text()}`);
    return new URL(answer.headers.get("location"));
  }
  /** Signs in at the provider, agrees, and stops before the way back: its address. */
  async agree(at, person) {
    let url = at.href;
    for (let step = 0; step < 12; step += 1) {
      const answer = await this.go(url);
      let next = answer.headers.get("location");
      if (!next) {
        const page = await answer.text();
        const action = page.match(/action="([^"]+)"/)?.[1];
        const prompt = page.match(/name="prompt" value="([^"]+)"/)?.[1];
        if (!action) throw new Error(`the provider has no form: ${answer.status} ${page.slice(0, 400)}`);
        const fields = prompt === "login" ? { prompt, login: person, password: "da igual" } : { prompt };
        next = (await this.form(new URL(action, url), fields)).headers.get("location");
      }
      url = new URL(next, url).href;
      if (url.startsWith(back)) return new URL(url);
    }
    throw new Error("the provider leads in a circle");
  }
  /** Is somebody in? */
  async inside() {
    return (await this.go(`${console_}/mi-cuenta`)).status === 200;
  }
}

const failures = [];
let tried = 0;
function expect(what, is) {
  tried += 1;
  if (!is) failures.push(what);
}
/** The way back was refused, and nobody is in. */
async function refused(what, browser, url) {
  const answer = await browser.go(url);
  expect(`${what}: the hub answers ${answer.status}`, answer.status === 403);
  expect(`${what}: somebody is in`, !(await browser.inside()));
}

for (let n = 0; n < 100; n += 1) {
  if (await fetch(`${console_}/entrar`).then((a) => a.ok, () => false)) break;
  await new Promise((later) => setTimeout(later, 100));
}

// Somebody who was invited.
const luz = new Browser();
const at = await luz.leave();
expect("PKCE by S256", at.searchParams.get("code_challenge_method") === "S256" && at.searchParams.get("code_challenge").length === 43);
expect("state and nonce", at.searchParams.get("state").length >= 43 && at.searchParams.get("nonce").length >= 43);
const home = await luz.agree(at, "luz");
const stranger = new Browser();
await refused("the answer in another browser", stranger, home);
const entered = await luz.go(home);
expect(`an invited person: ${entered.status}`, entered.status === 200 && (await luz.inside()));
const own = await (await luz.go(`${console_}/mi-cuenta`)).text();
expect("who it is", own.includes("luz@example.com") && own.includes("Luz Ospina"));
const session = [...luz.jars.get(new URL(console_).host)].find(([name]) => name.endsWith("sesion"));

// The same answer again, and its code with another state.
const again = await luz.go(home);
expect(`the same answer again: ${again.status}`, again.status === 403);
const replay = new Browser();
const fresh = await replay.leave();
const old = new URL(home);
old.searchParams.set("state", fresh.searchParams.get("state"));
const replayed = await replay.go(old);
expect(`a code that was used: ${replayed.status}`, [403, 502].includes(replayed.status) && !(await replay.inside()));
expect("a new cookie for each sign-in", session && ![...(replay.jars.get(new URL(console_).host) ?? [])].some(([, v]) => v === session[1]));

// A nonce of somebody else: the provider signs it, and the hub asked for another.
const nonce = new Browser();
const changed = await nonce.leave();
changed.searchParams.set("nonce", "de-otra-entrada-de-otra-persona-1234567890");
await refused("another nonce", nonce, await nonce.agree(changed, "luz"));

// A token that the provider made for another client, with our nonce.
const audience = new Browser();
const ours = await audience.leave();
const theirs = new URL(ours);
theirs.searchParams.set("client_id", "otro");
const verifier = "un-verificador-de-la-prueba-de-cuarenta-y-tres-signos";
const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
theirs.searchParams.set("code_challenge", Buffer.from(digest).toString("base64url"));
const foreign = await new Browser().agree(theirs, "luz");
const exchange = await fetch(`${issuer}/token`, {
  method: "POST",
  headers: { authorization: `Basic ${Buffer.from(`otro:${secret}`).toString("base64")}` },
  body: new URLSearchParams({ grant_type: "authorization_code", code: foreign.searchParams.get("code"), redirect_uri: back, code_verifier: verifier }),
});
const made = await exchange.json();
expect("the provider makes the other client's token", Boolean(made.id_token));
const proper = await audience.agree(ours, "luz");
swapped = made;
await refused("a token for another client", audience, proper);
swapped = { ...made, id_token: `${made.id_token.slice(0, -6)}AAAAAA` };
const bent = new Browser();
await refused("a changed signature", bent, await bent.agree(await bent.leave(), "luz"));
swapped = null;

// The provider said that the answer comes from elsewhere.
const mixed = new Browser();
const mix = await mixed.agree(await mixed.leave(), "luz");
mix.searchParams.set("iss", "https://otra.example");
await refused("an answer of another issuer", mixed, mix);

// People.
for (const [person, what] of [
  ["nora", "an address that the provider did not verify"],
  ["nadie", "a person whom nobody invited"],
  ["otra", "another person of the provider with an address that is taken"],
]) {
  const browser = new Browser();
  await refused(what, browser, await browser.agree(await browser.leave(), person));
}
const denied = new Browser();
const no = new URL(back);
no.searchParams.set("state", (await denied.leave()).searchParams.get("state"));
no.searchParams.set("error", "access_denied");
await refused("who says no at the provider", denied, no);
expect("who was in is still in", await luz.inside());

server.close();
server.closeAllConnections();
for (const failure of failures) console.error(`  - ${failure}`);
console.log(`${tried - failures.length} of ${tried} as they should be`);
process.exit(failures.length === 0 ? 0 : 1);
