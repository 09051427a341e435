// Keeps an open page fresh: the status line, lists of events, and the parts that are marked as alive.
// Sends forms of the theatre without leaving the page. Without it every page works; it only has to be reloaded.
(() => {
  "use strict";
  const MOST = 200;
  const status = document.querySelector("[data-estado]");
  const list = document.querySelector("[data-lista]");
  const most = Number(list?.dataset.mas || MOST);
  const fresh = document.querySelector("[data-nuevos]");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let held = [];
  let source = null;

  function rows(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return [...box.content.querySelectorAll("li[data-id]")];
  }

  // Somebody is reading further down, or is about to press a row: nothing may move under the finger.
  function busy() {
    if (!fresh) return list.contains(document.activeElement);
    return window.scrollY > 40 || list.matches(":hover") || list.contains(document.activeElement);
  }

  function show(items) {
    const known = new Set([...list.children].map((row) => row.dataset.id));
    const news = items.filter((row) => !known.has(row.dataset.id));
    if (!calm.matches) news.forEach((row) => row.classList.add("arrives"));
    list.prepend(...news);
    while (list.children.length > most) list.lastElementChild.remove();
    document.querySelector("[data-vacio]")?.remove();
  }

  function tell() {
    if (!fresh) return;
    fresh.hidden = held.length === 0;
    const text = held.length === 1 ? fresh.dataset.uno : fresh.dataset.varios;
    fresh.textContent = text.replace("{}", String(held.length));
  }

  function release() {
    show(held);
    held = [];
    tell();
  }

  function arrive(html) {
    const known = new Set(held.map((row) => row.dataset.id));
    const shown = new Set([...list.children].map((row) => row.dataset.id));
    const news = rows(html).filter((row) => !known.has(row.dataset.id) && !shown.has(row.dataset.id));
    held = [...news, ...held].slice(0, most);
    if (busy()) tell();
    else release();
  }

  // A part that somebody is using stays as it is: a field with the focus, an open question, marked text.
  function inUse(part) {
    const selection = window.getSelection();
    return part.contains(document.activeElement)
      || part.querySelector("details.sure[open]") !== null
      || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  // Takes the parts that are alive from a newer page.
  function take(page, force) {
    for (const part of document.querySelectorAll("[data-vivo]")) {
      const next = page.getElementById(part.id);
      if (!next || (!force && inUse(part)) || part.innerHTML === next.innerHTML) continue;
      // A word on a deed is there until the next one; a look does not bring it.
      if (part.id === "v-aviso" && !force) continue;
      const focused = part.contains(document.activeElement) ? signature(document.activeElement) : null;
      for (const open of part.querySelectorAll("details[open][data-clave]")) {
        const same = next.querySelector(`details[data-clave="${CSS.escape(open.dataset.clave)}"]`);
        if (same) same.open = true;
      }
      const fresh = document.importNode(next, true);
      part.replaceWith(fresh);
      toEnd(fresh);
      if (focused) [...fresh.querySelectorAll("a, button, input, select")].find((e) => signature(e) === focused)?.focus();
    }
  }

  function signature(element) {
    return `${element.tagName} ${element.name || ""} ${element.textContent.trim()} ${element.getAttribute("href") || ""}`;
  }

  function toEnd(within) {
    within.querySelectorAll("[data-fin]").forEach((talk) => { talk.scrollTop = talk.scrollHeight; });
  }

  // Nobody may be looking: a session that nobody uses ends, whatever an open page asks for.
  const BY_ITSELF = { "x-pasarela-pulso": "1" };

  async function fetched(address, options) {
    const answer = await fetch(address, { cache: "no-store", ...options });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  let looking = false;
  let again = false;
  async function look() {
    if (document.hidden || !document.querySelector("[data-vivo]:not(#v-nav):not(#v-aviso)")) return;
    if (looking) { again = true; return; }
    looking = true;
    try {
      take(await fetched(location.pathname + location.search, { headers: BY_ITSELF }), false);
    } catch {
      // The status line says when the hub is away.
    }
    looking = false;
    if (again) { again = false; setTimeout(look, 500); }
  }

  // A form of the theatre: done without leaving the page, so that nobody loses their place.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-quieto]")) return;
    event.preventDefault();
    const button = event.submitter;
    button?.setAttribute("aria-busy", "true");
    try {
      take(await fetched(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }), true);
      if (form.isConnected) form.reset();
    } catch {
      form.submit();
    } finally {
      button?.removeAttribute("aria-busy");
    }
  });

  function listen() {
    if (source) return;
    const query = new URLSearchParams();
    if (list) {
      const first = held[0] || list.firstElementChild;
      query.set("desde", first ? first.dataset.id : list.dataset.desde);
      query.set("tipo", list.dataset.tipo);
    }
    source = new EventSource("/vivo?" + query);
    source.addEventListener("estado", (event) => { status.innerHTML = event.data; });
    source.addEventListener("pulso", look);
    if (list) source.addEventListener("filas", (event) => arrive(event.data));
    source.onerror = () => {
      const line = document.createElement("p");
      line.textContent = status.dataset.sinSenal;
      status.replaceChildren(line);
      // The hub said no (the session ended): the page sends the person to the door.
      if (source && source.readyState === EventSource.CLOSED) {
        rest();
        setTimeout(() => { if (!document.hidden) listen(); }, 5000);
      }
    };
  }

  function rest() {
    source?.close();
    source = null;
  }

  // A browser allows few connections to one host: pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) rest();
    else { listen(); look(); }
  });
  window.addEventListener("pagehide", rest);
  if (status) listen();
  toEnd(document);
  document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  if (fresh) {
    fresh.addEventListener("click", () => {
      window.scrollTo({ top: 0, behavior: calm.matches ? "auto" : "smooth" });
      release();
      list.querySelector("a")?.focus({ preventScroll: true });
    });
  }
  document.querySelector("[data-filtro] select")?.addEventListener("change", (event) => event.target.form.submit());
})();
