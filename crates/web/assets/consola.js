// Keeps an open page fresh: the status line, the list of events, a story that is not over.
// Without it every page works; it only has to be reloaded.
(() => {
  "use strict";
  const MOST = 200;
  const status = document.querySelector("[data-estado]");
  const list = document.querySelector("[data-lista]");
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
    return window.scrollY > 40 || list.matches(":hover") || list.contains(document.activeElement);
  }

  function show(items) {
    const known = new Set([...list.children].map((row) => row.dataset.id));
    const news = items.filter((row) => !known.has(row.dataset.id));
    if (!calm.matches) news.forEach((row) => row.classList.add("arrives"));
    list.prepend(...news);
    while (list.children.length > MOST) list.lastElementChild.remove();
    document.querySelector("[data-vacio]")?.remove();
  }

  function tell() {
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
    held = [...news, ...held].slice(0, MOST);
    if (busy()) tell();
    else release();
  }

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
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  window.addEventListener("pagehide", rest);
  if (status) listen();

  if (list) {
    fresh.addEventListener("click", () => {
      window.scrollTo({ top: 0, behavior: calm.matches ? "auto" : "smooth" });
      release();
      list.querySelector("a")?.focus({ preventScroll: true });
    });
    document.querySelector("[data-filtro] select")?.addEventListener("change", (event) => event.target.form.submit());
  }

  async function again() {
    const story = document.querySelector("[data-historia]");
    if (!story || story.dataset.abierta !== "true") return;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname, { redirect: "error", cache: "no-store" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.querySelector("[data-historia]");
        const selecting = String(window.getSelection()) !== "" || story.contains(document.activeElement);
        if (answer.ok && next && !selecting) {
          story.querySelectorAll("details[open][data-clave]").forEach((open) => {
            const same = next.querySelector(`details[data-clave="${CSS.escape(open.dataset.clave)}"]`);
            if (same) same.open = true;
          });
          if (next.innerHTML !== story.innerHTML) story.replaceWith(document.importNode(next, true));
        }
      } catch {
        // The status line says when the hub is away.
      }
    }
    setTimeout(again, 2000);
  }
  setTimeout(again, 2000);
})();
