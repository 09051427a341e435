// A person's own pages: they ask for the link, see what is held, allow and take back. Both sizes, both languages,
// light and dark, judged like the console's pages, and the way through them once for each.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { visitor } from "./lib/chromium.mjs";
import { until } from "./lib/world.mjs";
import { judge, keyboard } from "./pages.mjs";

const has = (page, what) => page.waitForFunction((t) => document.body.innerText.includes(t), { timeout: 10_000 }, what);
const WORDS = {
  es: { asked: "Revise su correo", data: "Sus datos", change: "Cambiar lo que autoriza", allow: "Autorizar lo marcado", allowed: "Quedó autorizado", withdraw: "Retirar", withdrawn: "Lo retiramos", wish: "Su número es" },
  en: { asked: "Check your e-mail", data: "Your data", change: "Change what you allow", allow: "Allow what is ticked", allowed: "It is allowed", withdraw: "Withdraw", withdrawn: "It is withdrawn", wish: "Its number is" },
};

/** What the texts are, as a person who runs a hub adds them. */
function addTexts(world) {
  const add = (kind, version, text, ...more) => {
    const file = join(world.dir, `${version}.txt`);
    writeFileSync(file, text);
    execFileSync(world.binary, ["--config", world.config, "texts", "add", kind, version, file, ...more]);
  };
  add("notice", "aviso-v1", "Fashionistas S.A.S. trata sus datos para vender boletas y organizar desfiles. Usted puede conocer, corregir y retirar.");
  add("policy", "politica-v1", "Política de tratamiento de datos de Fashionistas S.A.S.\n\nÁrea encargada: privacidad@fashionistas.example.");
  add("consent", "publicidad-v1", "Autorizo a Fashionistas S.A.S. a enviarme novedades, preventas y descuentos por los canales que marco. Puedo retirar esta autorización en cualquier momento.", "--name", "publicidad", "--purpose", "marketing", "--channel", "email", "--channel", "whatsapp", "--notice", "aviso-v1");
  add("consent", "gustos-v1", "Autorizo a Fashionistas S.A.S. a conocer mis gustos, por lo que compro y abro, para recomendarme desfiles.", "--name", "gustos", "--purpose", "profiling", "--notice", "aviso-v1");
}

/** The link that came to a phone, at this world's address. */
async function linkFor(world, phone) {
  return until("the link comes by WhatsApp", async () => {
    const sent = (await world.view("whatsapp", "sent")).map((m) => JSON.stringify(m));
    const own = sent.find((m) => m.includes(phone.slice(1)) && m.includes("/mis-datos/"));
    return own?.match(/\/mis-datos\/[A-Za-z0-9_-]+/)?.[0];
  }).then((path) => world.public + path);
}

export async function ownPages(browser, world, axePath, say, pictures) {
  const axe = readFileSync(axePath, "utf8");
  const found = [];
  let judged = 0;
  addTexts(world);
  if (pictures) mkdirSync(pictures, { recursive: true });
  const looks = [["phone", "es", false], ["desk", "en", false], ["phone", "en", true], ["desk", "es", true]];
  for (const [n, [size, lang, dark]] of looks.entries()) {
    const w = WORDS[lang];
    const where = `${size} ${lang} ${dark ? "dark" : "light"}`;
    const page = await visitor(browser, { size, lang, dark });
    const look = async (name) => {
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${size}-${lang}-${dark ? "dark" : "light"}.png`), fullPage: true });
      found.push(...await judge(page, axe, `${name} ${where}`, true));
      judged += 1;
    };
    const press = async (words) => {
      const handle = await page.waitForFunction((t) => [...document.querySelectorAll("main a, main button")].find((e) => e.innerText.trim() === t), { timeout: 10_000 }, words);
      await Promise.all([page.waitForNavigation(), handle.asElement().click()]);
    };
    try {
      const phone = `+5730155502${String(n).padStart(2, "0")}`;
      await page.goto(`${world.public}/mis-datos`, { waitUntil: "load" });
      await look("pedir");
      await page.type("#direccion", phone);
      await Promise.all([page.waitForNavigation(), page.click("form button")]);
      await has(page, w.asked);
      await look("enviado");
      const link = await linkFor(world, phone);
      await page.goto(link, { waitUntil: "load" });
      await has(page, w.data);
      await look("datos");
      if (lang === "es") found.push(...await keyboard(page, `datos ${where}`));
      await page.type("#nombre", "Luz Marina Ospina");
      await page.type("#detalle", "Mi apellido es Ospina Vélez.");
      await Promise.all([page.waitForNavigation(), page.click(".pedido button")]);
      await has(page, w.wish);
      await press(w.change);
      if (await page.$("input[type=checkbox]:checked")) found.push(`preferencias ${where}: a box is ticked`);
      await look("preferencias");
      if (lang === "es") found.push(...await keyboard(page, `preferencias ${where}`));
      await page.click('input[value$="|marketing|email"]');
      await press(w.allow);
      await has(page, w.allowed);
      await look("autorizado");
      await press(w.withdraw);
      await has(page, w.withdrawn);
      await page.goto(`${world.public}/preferencias/Q1x`, { waitUntil: "load" });
      page.troubles = page.troubles.filter((t) => !t.includes("404"));
      await look("cerrado");
      await page.goto(`${world.public}/textos/notice/vigente`, { waitUntil: "load" });
      await look("aviso");
      page.troubles = page.troubles.filter((t) => !t.includes("404"));
      found.push(...page.troubles.map((t) => `${where}: ${t}`));
      say(`own pages, ${where}`);
    } catch (e) {
      const seen = await page.evaluate(() => document.body.innerText).catch(() => "");
      found.push(`own pages, ${where}: ${e.message}\n  the page said: ${seen.replace(/\s+/g, " ").slice(0, 600)}`);
    }
    await page.browserContext().close();
  }
  return { found: found.filter((f) => !f.includes("404 (Not Found)")), judged };
}
