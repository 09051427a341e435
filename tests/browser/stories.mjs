// What people come for, from the first click to the last: each story begins with a browser that knows nobody.

import { visitor, signIn } from "./lib/chromium.mjs";
import { until } from "./lib/world.mjs";

const text = (page) => page.evaluate(() => document.body.innerText);
const has = (page, what, patience = 15_000) => page.waitForFunction((t) => document.body.innerText.includes(t), { timeout: patience }, what);

/** Presses what is called so, within a part of the page, by what it is called. */
async function press(page, name, within = "body") {
  const find = (n, w) => {
    const all = [...document.querySelectorAll(`${w} a, ${w} button, ${w} summary`)];
    return all.find((e) => e.innerText.replace(/\s+/g, " ").trim() === n && e.checkVisibility());
  };
  for (let again = 0; ; again += 1) {
    const handle = await page.waitForFunction(find, { timeout: 10_000 }, name, within);
    try {
      await handle.asElement().click();
      return;
    } catch (e) {
      // News came between the look and the press: as a person would, it is looked for once more.
      if (again === 5 || !/detached|not clickable/i.test(e.message)) throw e;
    }
  }
}

async function inside(browser, world, options) {
  const page = await visitor(browser, options);
  await signIn(page, world.link("Luz Ospina"));
  return page;
}

export const stories = {
  "a dead letter is retried once what was missing is there": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/por-resolver`);
    await has(page, "there is no approved template");
    await world.act("whatsapp", "define_template", { name: "pedido_listo", language: "es", category: "UTILITY", body: "Tu pedido {{1}} está listo." });
    // The hub asks for the language of the country first, as Meta has it.
    await world.act("whatsapp", "define_template", { name: "pedido_listo", language: "es_CO", category: "UTILITY", body: "Tu pedido {{1}} está listo." });
    // Of all that needs a person, this one.
    const own = await page.$$eval("main li[id]", (all) => all.find((e) => e.innerText.includes("there is no approved template")).id);
    await Promise.all([page.waitForNavigation(), press(page, "Reintentar", `[id="${own}"]`)]);
    await has(page, "la acción vuelve a la fila");
    await until("the message is on the phone", async () => (await world.view("whatsapp", "sent")).some((m) => m.template === "pedido_listo"));
    await page.waitForFunction(() => !document.body.innerText.includes("there is no approved template"), { timeout: 15_000 });
    return page;
  },

  "what somebody paused is in the audit, with who, when and why": async (browser, world) => {
    const page = await inside(browser, world, { size: "phone" });
    await page.goto(`${world.console}/conexiones`);
    const form = 'form[action="/conexiones/correo/pausar"]';
    await page.evaluate((f) => { for (let e = document.querySelector(f); e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true; }, form);
    await page.type(`${form} [name=motivo]`, "cambio de clave");
    await Promise.all([page.waitForNavigation(), page.$eval(form, (f) => f.requestSubmit())]);
    await page.goto(`${world.console}/auditoria?que=pauses.pause`);
    await has(page, "Pausó: connection correo");
    await has(page, "Luz Ospina");
    await page.goto(`${world.console}/auditoria?que=pauses.pause&sobre=connection+correo`);
    await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
    await has(page, "cambio de clave");
    await page.goto(`${world.console}/conexiones`);
    await Promise.all([page.waitForNavigation(), page.$eval('form[action="/conexiones/correo/reanudar"]', (f) => f.requestSubmit())]);
    await page.goto(`${world.console}/auditoria`);
    await has(page, "Reanudó: connection correo");
    return page;
  },

  "a claim on paper is entered, labelled, decided and answered": async (browser, world) => {
    const page = await inside(browser, world, { size: "phone" });
    await page.goto(`${world.console}/casos`);
    await Promise.all([page.waitForNavigation(), press(page, "Registrar un caso")]);
    await page.type("input[name=nombre]", "Nubia Cárdenas");
    await page.type("input[name=documento]", "41.000.222");
    await page.type("input[name=correo]", "nubia.cardenas@correo.example");
    await page.type("textarea[name=hechos]", "Recibo correos que no pedí.");
    await page.type("textarea[name=peticion]", "Retirar mi correo de la lista.");
    await Promise.all([page.waitForNavigation(), press(page, "Registrar")]);
    await has(page, "El caso quedó registrado.");
    await has(page, "Vence el");
    await Promise.all([page.waitForNavigation(), press(page, "Está completo", "form")]);
    await has(page, "Se puso la leyenda «reclamo en trámite»");
    await page.select("select[name=decision]", "granted");
    await Promise.all([page.waitForNavigation(), press(page, "Decidir", "form")]);
    const draft = await page.$eval("textarea[name=texto]", (e) => e.value);
    if (!draft.includes("Nubia Cárdenas") || !draft.includes("Retirar mi correo de la lista.")) throw new Error(`the draft says: ${draft}`);
    await page.$eval("textarea[name=texto]", (e) => { e.value += "\n\nAtentamente, Luz Ospina"; });
    await Promise.all([page.waitForNavigation(), press(page, "Enviar la respuesta", "form")]);
    await has(page, "Este caso terminó.");
    await has(page, "Atentamente, Luz Ospina");
    return page;
  },

  "an incident shows its day on every page until it is reported": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/incidentes`);
    await page.type("input[name=titulo]", "Correo enviado a quien no era");
    await Promise.all([page.waitForNavigation(), press(page, "Registrar un incidente", "form")]);
    await has(page, "Para reportarlo falta:");
    await page.goto(`${world.console}/flujos`);
    await has(page, "Incidente por reportar a la SIC: vence el");
    await page.goBack();
    for (const [name, value] of [["bases", "Compradores"], ["categorias", "contacto"], ["personas", "3"]]) await page.type(`input[name=${name}]`, value);
    await page.type("textarea[name=efecto]", "Ninguno conocido");
    await page.type("textarea[name=medidas]", "Se pidió borrarlo");
    await Promise.all([page.waitForNavigation(), press(page, "Guardar la ficha")]);
    await page.type("input[name=numero]", "SIC-26-118");
    await Promise.all([page.waitForNavigation(), press(page, "Ya se reportó")]);
    await has(page, "Reportado el");
    return page;
  },

  "a link signs in once, and leaving closes the door": async (browser, world) => {
    const link = world.link("Luz Ospina");
    const page = await visitor(browser);
    await signIn(page, link);
    await has(page, "Necesita una persona");
    await Promise.all([page.waitForNavigation(), press(page, "Salir")]);
    if (!page.url().endsWith("/entrar")) throw new Error(`left to ${page.url()}`);
    await page.goto(`${world.console}/eventos`);
    if (!page.url().endsWith("/entrar")) throw new Error("the old session still opens");
    await page.goto(link);
    await Promise.all([page.waitForNavigation(), page.click("form button")]);
    await has(page, "ya se usó o venció");
    page.troubles = page.troubles.filter((t) => !t.includes("403"));
    return page;
  },

  "an order is found by its number, and its life line is told": async (browser, world) => {
    const page = await inside(browser, world);
    const [order] = await world.view("boleteria", "orders");
    await page.type("#q", order.public_id);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await has(page, `Eventos con “${order.public_id}”`);
    await Promise.all([page.waitForNavigation(), page.evaluate(() => [...document.querySelectorAll(".events a")].find((a) => a.innerText.includes("Pedido pagado")).click())]);
    for (const part of ["Entrega", "Auténtica", "Recorrido: Boleta confirmada", "whatsapp.send_template", "Hecha"]) await has(page, part);
    return page;
  },


  "a delivery in quarantine is looked at and replayed": async (browser, world) => {
    const page = await inside(browser, world, { size: "phone" });
    await page.goto(`${world.console}/por-resolver`);
    await Promise.all([page.waitForNavigation(), press(page, "Ver la entrega")]);
    await has(page, "esto no es JSON");
    await Promise.all([page.waitForNavigation(), press(page, "Repetir")]);
    await has(page, "la entrega se decide otra vez");
    return page;
  },

  "a ticket is bought in the theatre, and its message and its event are seen without a reload": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/teatro`);
    await page.$eval("input[name=nombre]", (e) => { e.value = "Rosalba"; });
    await page.$eval("input[name=apellidos]", (e) => { e.value = "Tamayo Isaza"; });
    await page.evaluate(() => { window.laMisma = true; });
    await press(page, "Comprar");
    await has(page, "Hecho.");
    await page.waitForFunction(() => document.querySelector("#v-phone").innerText.includes("Hola, Rosalba"), { timeout: 20_000 });
    await page.waitForFunction(() => document.querySelector(".hub").innerText.includes("Pedido pagado"), { timeout: 15_000 });
    await page.waitForFunction(() => document.querySelector("#v-crm").innerText.includes("Rosalba Tamayo Isaza"), { timeout: 15_000 });
    if (!await page.evaluate(() => window.laMisma)) throw new Error("the page was loaded anew");
    await page.type("#texto", "¿Puedo llevar a mi hermana?");
    await press(page, "Enviar");
    await page.waitForFunction(() => document.querySelector("#v-phone").innerText.includes("mi hermana"), { timeout: 15_000 });
    await page.waitForFunction(() => document.querySelector(".hub").innerText.includes("Mensaje recibido"), { timeout: 15_000 });
    const code = await page.$eval("#v-door form input[name=codigo]", (e) => e.value);
    await press(page, `Escanear ${code}`, "#v-door");
    await page.waitForFunction(() => document.querySelector(".hub").innerText.includes("Entró por la puerta"), { timeout: 15_000 });
    return page;
  },

  "a guest without WhatsApp gets a letter, and its looks run nothing": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/teatro`);
    if (!world.mail) {
      await has(page, "No hay una conexión de correo");
      return page;
    }
    await page.$eval("input[name=nombre]", (e) => { e.value = "Eulalia"; });
    await page.$eval("input[name=celular]", (e) => { e.value = ""; });
    await press(page, "Comprar");
    await has(page, "Hecho.");
    await page.waitForFunction(() => document.querySelector("#v-mail article"), { timeout: 30_000 });
    await press(page, "Ver como lo ve la persona", "#v-mail");
    const frame = await page.waitForSelector("#v-mail iframe");
    if (await frame.evaluate((f) => f.getAttribute("sandbox")) !== "") throw new Error("the letter's frame may do something");
    return page;
  },

  "the network is broken, is seen, and mended": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/teatro`);
    await press(page, "Caída");
    await page.waitForFunction(() => document.querySelector("button[aria-pressed=true]")?.innerText.includes("Caída"), { timeout: 10_000 });
    for (let n = 0; n < 3; n += 1) {
      await press(page, "Comprar");
      await has(page, "Hecho.");
    }
    await page.goto(`${world.console}/conexiones`);
    await has(page, "Llamadas detenidas por fallas", 40_000);
    await page.goto(`${world.console}/alarmas`);
    await has(page, "Llamadas detenidas");
    await page.goto(`${world.console}/teatro`);
    await press(page, "Sana");
    await page.waitForFunction(() => document.querySelector("button[aria-pressed=true]")?.innerText.includes("Sana"), { timeout: 10_000 });
    await page.goto(`${world.console}/conexiones`);
    await page.waitForFunction(() => !document.body.innerText.includes("Llamadas detenidas por fallas"), { timeout: 60_000 });
    return page;
  },

  "a connection is paused with a reason, and goes on": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/conexiones`);
    await press(page, "Pausar twenty");
    await page.type("#twenty input[name=motivo]", "inventario");
    await Promise.all([page.waitForNavigation(), press(page, "Sí, pausar", "#twenty")]);
    await has(page, "por Luz Ospina: inventario");
    await Promise.all([page.waitForNavigation(), press(page, "Reanudar twenty")]);
    await has(page, "sigue en marcha");
    return page;
  },

  "webhooks are lost, and the reconciliation finds what is missing": async (browser, world) => {
    const page = await inside(browser, world);
    await page.goto(`${world.console}/teatro`);
    await press(page, "Sin avisos");
    await page.waitForFunction(() => document.querySelector("button[aria-pressed=true]")?.innerText.includes("Sin avisos"), { timeout: 10_000 });
    await press(page, "Comprar");
    await has(page, "Hecho.");
    await page.goto(`${world.console}/conciliacion`);
    await press(page, "Conciliar boleteria");
    await page.select("#boleteria select[name=politica]", "propose");
    await Promise.all([page.waitForNavigation(), press(page, "Conciliar ahora", "#boleteria")]);
    await has(page, "Esperan tu decisión", 20_000);
    await Promise.all([page.waitForNavigation(), press(page, "Aprobar")]);
    await has(page, "la entrega se decide otra vez");
    await page.goto(`${world.console}/teatro`);
    await press(page, "Sana");
    return page;
  },
};

/** Tells all stories, one after the other, in one world. */
export async function tell(browser, world, say) {
  const found = [];
  for (const [name, story] of Object.entries(stories)) {
    const before = new Set(browser.browserContexts());
    const begun = Date.now();
    try {
      const page = await story(browser, world);
      found.push(...page.troubles.map((t) => `${name}: ${t}`));
      say(`${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (e) {
      const open = browser.browserContexts().filter((c) => !before.has(c));
      const pages = (await Promise.all(open.map((c) => c.pages()))).flat();
      const seen = pages.length ? await text(pages[0]).catch(() => "") : "";
      found.push(`${name}: ${e.message}\n  the page said: ${seen.replace(/\s+/g, " ").slice(0, 600)}`);
    }
    for (const context of browser.browserContexts().filter((c) => !before.has(c))) await context.close();
  }
  return { found, told: Object.keys(stories).length };
}
