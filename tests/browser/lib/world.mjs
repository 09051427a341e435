// A small world to look at: the doubles of three providers, a shop that only tells, and a hub. Everything on
// loopback, everything gone at the end.

import { spawn, spawnSync, execFileSync } from "node:child_process";
import { createServer as createSocket } from "node:net";
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TOKEN = "una-clave-de-prueba";
const NUMBER = "109283746501928";

/** Writes to the buyer with a template that nobody has made yet: a dead letter, until somebody makes it. */
const FLOW = `flow: pedido-de-tienda
version: 1
title: { es: "Pedido de la tienda", en: "Order of the shop" }
on: tienda.order.created
steps:
  - id: aviso
    do: whatsapp.send_template
    class: transactional_urgent
    purpose: sale
    with: { to: "{{ data.phone }}", template: pedido_listo, language: es, params: ["{{ data.id }}"] }
`;

/** A port that nobody uses now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const socket = createSocket();
    socket.on("error", reject);
    socket.listen(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

export async function until(what, ask, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await ask().catch(() => null);
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${patience / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class World {
  static async start(binary) {
    const world = new World();
    world.binary = binary;
    world.dir = mkdtempSync(join(tmpdir(), "pasarela-browser-"));
    const [publicPort, consolePort, sandboxPort, mailPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
    world.public = `http://127.0.0.1:${publicPort}`;
    world.console = `http://127.0.0.1:${consolePort}`;
    world.sandbox = `http://127.0.0.1:${sandboxPort}`;
    mkdirSync(join(world.dir, "flows"));
    writeFileSync(join(world.dir, "flows", "pedido-de-tienda.yaml"), FLOW);
    world.config = join(world.dir, "mundo.toml");
    const plain = world.#configuration(publicPort, consolePort);
    const mail = `
[connections.correo]
provider = "smtp"
base_url = "smtp://127.0.0.1:${mailPort}"
tls = "none"
webhook_secrets = ["${TOKEN}"]
allow_private_targets = true
from = "Fashionistas <boletas@fashionistas.example>"
`;
    // A hub that knows no mail is judged without a mailbox.
    writeFileSync(world.config, plain + mail);
    world.mail = spawnSync(binary, ["--config", world.config, "check"]).status === 0;
    if (!world.mail) writeFileSync(world.config, plain);
    const log = openSync(join(world.dir, "log"), "a");
    const run = (...args) =>
      spawn(binary, ["--config", world.config, ...args], { stdio: ["ignore", log, log], env: { ...process.env, PASARELA_LOG: "info" } });
    world.children = [run("sandbox"), run("serve")];
    try {
      await until("the sandbox listens", async () => (await fetch(`${world.sandbox}/_sandbox/health`)).ok);
      await until("the hub listens", async () => (await fetch(`${world.public}/readyz`)).ok);
    } catch (e) {
      const why = readFileSync(join(world.dir, "log"), "utf8");
      await world.stop();
      throw new Error(`${e.message}\n${why}`);
    }
    return world;
  }

  #configuration(publicPort, consolePort) {
    const connection = (name, provider, more) => `
[connections.${name}]
provider = "${provider}"
base_url = "${this.sandbox}/${name}"
webhook_secrets = ["${TOKEN}"]
allow_private_targets = true
${more}`;
    return `[server]
listen = "127.0.0.1:${publicPort}"
[console]
listen = "127.0.0.1:${consolePort}"
[store]
url = "sqlite:${join(this.dir, "mundo.db")}"
[flows]
folder = "flows"
[sandbox]
url = "${this.sandbox}"
[webhooks]
allow_private_targets = true
${connection("boleteria", "hi-events", 'email = "pasarela@fashionistas.example"\npassword = "una-noche-de-prueba"\norganizer_id = 3')}
${connection("twenty", "twenty", 'api_key = "una-noche-de-prueba"\napi_key_name = "pasarela-hub"')}
${connection("whatsapp", "whatsapp", `access_token = "una-noche-de-prueba"\nphone_number_id = "${NUMBER}"`)}
[connections.tienda]
provider = "http"
base_url = "http://127.0.0.1:9"
webhook_secrets = ["${TOKEN}"]
allow_private_targets = true
verify = { scheme = "bearer", header = "x-token" }
event = { type = "/type", id = "/id", key = "/id" }
`;
  }

  /** A link that signs in once, made as a person makes it. */
  link(...args) {
    const made = execFileSync(this.binary, ["--config", this.config, "--json", "users", "link", ...args], { encoding: "utf8" });
    return JSON.parse(made).link;
  }

  key(scopes) {
    const made = execFileSync(this.binary, ["--config", this.config, "--json", "keys", "create", "prueba", "--scopes", scopes], { encoding: "utf8" });
    return JSON.parse(made).key;
  }

  /** Does something at a provider. */
  async act(connection, command, args) {
    const answer = await fetch(`${this.sandbox}/_sandbox/${connection}/act`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ command, args }),
    });
    const value = await answer.json();
    if (!answer.ok) throw new Error(`${command}: ${JSON.stringify(value)}`);
    return value;
  }

  async view(connection, what) {
    return (await fetch(`${this.sandbox}/_sandbox/${connection}/view/${what}`)).json();
  }

  /** A webhook of the shop. */
  async webhook(body) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await fetch(`${this.public}/hooks/tienda`, {
      method: "POST",
      headers: { "x-token": TOKEN, "content-type": "application/json" },
      body: text,
    });
    if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
  }

  /** A night to look at: a show, sales of every kind, people at the door, and things that went wrong. */
  async season() {
    const soon = new Date(Date.now() + 72 * 3600_000).toISOString();
    const made = await this.act("boleteria", "create_show", {
      title: "Noche de Lino", starts_at: soon, venue: "Museo de Arte Moderno", city: "Bogotá",
      tiers: [{ label: "General", price: 60000, capacity: 400 }, { label: "Preferencial", price: 120000, capacity: 120 }, { label: "VIP", price: 250000, capacity: 40 }],
      taxes: [{ name: "IVA", rate: 19 }],
    });
    const people = [
      ["Luz Marina", "Ospina Vélez"], ["Juan Camilo", "Ríos Cano"], ["María José", "Peña Duarte"], ["Sebastián", "Toro Mejía"],
      ["Ana Lucía", "Bernal Soto"], ["Emilio", "Casas Rueda"], ["Paula Andrea", "Gil Marín"], ["Óscar", "Niño Prada"],
    ];
    const codes = [];
    for (const [n, [first, last]] of people.entries()) {
      const buyer = { first_name: first, last_name: last, email: `invitada${n}@correo.example`, phone: `301555020${n}` };
      await this.act("whatsapp", "introduce", { phone: `+57301555020${n}`, name: `${first} ${last}` });
      const sold = await this.act("boleteria", "sell", {
        show_id: made.show_id, buyer, tickets: n % 3 === 0 ? [{ tier: "VIP" }, { tier: "VIP" }] : [{ tier: "General" }],
        payment: n === 6 ? "offline" : "stripe", locale: "es",
      });
      if (n !== 6) codes.push(...sold.tickets.map((t) => t.code));
    }
    for (const code of codes.slice(0, 4)) await this.act("boleteria", "scan", { code });
    await this.act("whatsapp", "say", { phone: "+573015550200", text: "¡Qué nota! Allá nos vemos." });
    // A template that is missing, and a request that is no JSON.
    // A number of its own: what is dead stops the lane of its guest.
    await this.act("whatsapp", "introduce", { phone: "+573015550209", name: "Tienda de Lino" });
    await this.webhook({ type: "order.created", id: "PED-1042", phone: "+573015550209" });
    await this.webhook("esto no es JSON");
  }

  /** Nothing is left to do: what the season began has come to its end. */
  async settled() {
    await until("the hub comes to rest", async () => {
      const metrics = await (await fetch(`${this.public}/metrics`)).text();
      const value = (name) => Number(metrics.match(new RegExp(`^${name} (.*)$`, "m"))?.[1]);
      const busy = ["pasarela_inbox", "pasarela_effects_queued", "pasarela_effects_calling"].some((n) => value(n) > 0);
      return !busy && (await this.view("whatsapp", "sent")).length >= 9;
    }, 60_000);
  }

  async stop() {
    for (const child of this.children ?? []) child.kill("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}
