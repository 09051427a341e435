// People with accounts: the first owner at a terminal, codes, an invitation, and who may see what. A hub of its
// own, in which nobody is known yet. All persons are invented.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:net";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { visitor } from "./lib/chromium.mjs";
import { until } from "./lib/world.mjs";
import { judge, keyboard } from "./pages.mjs";

const PASSWORD = "cuatro gatos miran llover";
const WORDS = {
  es: { show: "Mostrar", hide: "Ocultar", short: "Faltan 3 caracteres", good: "Larga y buena", begin: "Empezar", users: "Usuarios", on: "Activar códigos", prove: "Activar", save: "Guardar contraseña", saved: "Contraseña guardada", invite: "Invitar", link: "Enlace para Eva Rojas", enter: "Entrar", wrong: "no coinciden", leave: "Salir", confirm: "Confirma que eres tú" },
  en: { show: "Show", hide: "Hide", short: "3 characters more", good: "Long and good", begin: "Begin", users: "Users", on: "Turn codes on", prove: "Turn on", save: "Save password", saved: "Password saved", invite: "Invite", link: "Link for Eva Rojas", enter: "Sign in", wrong: "do not match", leave: "Sign out", confirm: "Confirm that it is you" },
};

/** A code of six digits, by RFC 6238. */
function code(secret, at = Date.now()) {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const tag = createHmac("sha1", key).update(step).digest();
  return String((tag.readUInt32BE(tag[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function freePort() {
  return new Promise((resolve) => {
    const socket = createServer().listen(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** A hub that was started at a terminal, and what the terminal shows. */
class Terminal {
  static async start(binary) {
    const terminal = new Terminal();
    terminal.dir = mkdtempSync(join(tmpdir(), "pasarela-terminal-"));
    const [publicPort, consolePort] = [await freePort(), await freePort()];
    terminal.console = `http://127.0.0.1:${consolePort}`;
    const config = join(terminal.dir, "pasarela.toml");
    writeFileSync(config, `[server]\nlisten = "127.0.0.1:${publicPort}"\n[console]\nlisten = "127.0.0.1:${consolePort}"\nsecond_factor = "required"\n[store]\nurl = "sqlite:${join(terminal.dir, "hub.db")}"\n`);
    const shown = join(terminal.dir, "terminal");
    terminal.child = spawn("script", ["-q", "-e", "-f", "-c", `exec '${binary}' --config '${config}' serve`, shown], { stdio: ["pipe", "ignore", "ignore"] });
    terminal.link = await until("the terminal shows the first owner's link", async () => readFileSync(shown, "utf8").match(/http:\S+primer-uso\?enlace=\w+/)?.[0]);
    return terminal;
  }

  async stop() {
    const gone = new Promise((resolve) => this.child.on("exit", resolve));
    // As somebody at the terminal would.
    this.child.stdin.write("\x03");
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 15_000))]);
    this.child.kill("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const LOOKS = [["phone", "es", false], ["desk", "en", false], ["phone", "en", true], ["desk", "es", true]];

/** The whole way, in each look. Every page of it is judged like the others. */
export async function accountPages(browser, binary, axePath, say, pictures) {
  const axe = readFileSync(axePath, "utf8");
  const found = [];
  let judged = 0;
  if (pictures) mkdirSync(pictures, { recursive: true });
  for (const [size, lang, dark] of LOOKS) {
    const w = WORDS[lang];
    const where = `${size} ${lang} ${dark ? "dark" : "light"}`;
    const terminal = await Terminal.start(binary);
    const page = await visitor(browser, { size, lang, dark });
    const has = (what) => page.waitForFunction((t) => document.body.innerText.includes(t), { timeout: 15_000 }, what);
    const look = async (name, keys = false) => {
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${size}-${lang}-${dark ? "dark" : "light"}.png`), fullPage: true });
      found.push(...await judge(page, axe, `${name} ${where}`, true));
      if (keys && lang === "es") found.push(...await keyboard(page, `${name} ${where}`));
      judged += 1;
    };
    const press = async (words) => {
      const handle = await page.waitForFunction((t) => [...document.querySelectorAll("a, button")].find((e) => e.innerText.trim() === t && e.checkVisibility()), { timeout: 15_000 }, words);
      await Promise.all([page.waitForNavigation(), handle.asElement().click()]);
    };
    const go = (path) => page.goto(terminal.console + path, { waitUntil: "load" });
    try {
      await page.goto(terminal.link, { waitUntil: "load" });
      await look("primer-uso", true);
      await page.type("#nombre", "Luz Ospina");
      await page.type("#correo", "luz@marca.example");
      await page.type("#contrasena", PASSWORD.slice(0, 9));
      await has(w.short);
      await page.type("#contrasena", PASSWORD.slice(9));
      await has(w.good);
      // What was typed is shown to whoever asks for it, and hidden again.
      const shown = () => page.$eval("#contrasena", (e) => e.type);
      for (const [words, type] of [[w.show, "text"], [w.hide, "password"]]) {
        const button = await page.waitForFunction((t) => [...document.querySelectorAll("button.see")].find((e) => e.innerText.trim() === t), { timeout: 15_000 }, words);
        await button.asElement().click();
        if (await shown() !== type) found.push(`${where}: '${words}' leaves the password as it was`);
        if (type === "text") await look("contrasena-a-la-vista");
      }
      await press(w.begin);
      // An owner without codes is led, and opens nothing else.
      await go("/usuarios");
      if (!page.url().endsWith("/segundo-factor")) found.push(`${where}: an owner without codes is at ${page.url()}`);
      await look("segundo-factor", true);
      await press(w.on);
      await look("segundo-factor-imagen", true);
      const secret = (await page.$eval("p.mono", (e) => e.innerText)).replaceAll(" ", "");
      await page.type("input[name=codigo]", code(secret));
      await press(w.prove);
      await look("recuperacion");
      const recovery = await page.$$eval(".codes code", (all) => all.map((e) => e.innerText));
      await go("/mi-cuenta");
      await look("mi-cuenta", true);
      if (recovery.length !== 10) found.push(`${where}: ${recovery.length} recovery codes`);

      await press(w.users);
      await page.type("form.ask[action='/usuarios'] input[name=nombre]", "Eva Rojas");
      await page.type("form.ask[action='/usuarios'] input[name=correo]", "eva@marca.example");
      await page.select("form.ask[action='/usuarios'] select[name=rol]", "support");
      await press(w.invite);
      await has(w.link);
      await look("usuarios", true);
      const link = await page.$eval("section .mono", (e) => e.innerText);

      await press(w.leave);
      await page.type("#correo", "luz@marca.example");
      await page.type("#contrasena", "perchero azul en la nieve");
      await press(w.enter);
      await has(w.wrong);
      page.troubles = page.troubles.filter((t) => !t.includes("status of 403"));
      await look("no-coincide", true);
      await page.type("#contrasena", PASSWORD);
      await page.type("#codigo", recovery[0]);
      await press(w.enter);
      await go("/mi-cuenta");
      await look("sesiones");
      await go("/confirmar?a=/usuarios");
      await has(w.confirm);
      await look("confirmar", true);

      // Somebody who helps guests: no users, and a password of their own.
      const eva = await visitor(browser, { size, lang, dark });
      await eva.goto(link, { waitUntil: "load" });
      await Promise.all([eva.waitForNavigation(), eva.click("form button")]);
      if ((await eva.$$("a[href='/usuarios']")).length > 0) found.push(`${where}: support is offered the users`);
      if ((await eva.goto(`${terminal.console}/usuarios`)).status() !== 403) found.push(`${where}: support sees the users`);
      found.push(...page.troubles.splice(0).map((t) => `${where}: ${t}`));
    } catch (e) {
      const seen = await page.evaluate(() => document.body.innerText).catch(() => "");
      found.push(`accounts ${where}: ${e.message}\n  the page said: ${seen.replace(/\s+/g, " ").slice(0, 600)}`);
    }
    for (const context of browser.browserContexts().filter((c) => c !== browser.defaultBrowserContext())) await context.close();
    await terminal.stop();
    say(`accounts ${where}`);
  }
  return { found, judged };
}
