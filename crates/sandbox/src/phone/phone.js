// Draws the chats; asks each second. No text of its own: `t` is the page's catalogue.
"use strict";
(() => {
  const t = JSON.parse(document.body.dataset.texts);
  const lang = document.documentElement.lang;
  const zone = "America/Bogota";
  const byId = (id) => document.getElementById(id);
  const [list, notice, messages, title, phone, news] = ["chats", "notice", "messages", "chat-title", "chat-phone", "news"].map(byId);
  const time = new Intl.DateTimeFormat(lang, { timeZone: zone, hour: "numeric", minute: "2-digit", hour12: true });
  const day = new Intl.DateTimeFormat(lang, { timeZone: zone, weekday: "long", day: "numeric", month: "long" });
  const short = new Intl.DateTimeFormat(lang, { timeZone: zone, day: "numeric", month: "short" });
  const date = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
  const ticks = { accepted: "○", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "✕" };
  const wide = window.matchMedia("(min-width: 720px)");
  let data = null, drawn = "", shown = { key: null, count: 0 };

  const el = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const dated = (at) => { const d = new Date(at); return at && !Number.isNaN(d.getTime()) ? d : null; };
  const word = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
  const array = (value) => (Array.isArray(value) ? value.filter((v) => v !== null && v !== undefined) : []);
  // "+57 300 123 4567"; other countries stay as they are.
  const readable = (number) => word(number).replace(/^\+57(\d{3})(\d{3})(\d{4})$/, "+57 $1 $2 $3");
  const called = (chat) => word(chat.name) || readable(chat.phone) || word(chat.username) || t.nameless;
  const initials = (name) => (name.match(/\p{L}+/gu) || ["·"]).slice(0, 2).map((w) => w[0].toLocaleUpperCase(lang)).join("");
  const dayOf = (at) => {
    const [now, then] = [dated(data.now) || new Date(), dated(at)];
    if (date.format(now) === date.format(then)) return t.today;
    if (date.format(new Date(now - 864e5)) === date.format(then)) return t.yesterday;
    return null;
  };

  // Every chat has a key for the URL: the phone, with the connection where there are several.
  function all() {
    const several = data.connections.length > 1;
    return data.connections.flatMap(({ connection, chats }) => array(chats).map((chat) => {
      const id = word(chat.phone) || word(chat.user_id) || called(chat);
      return { connection, chat, key: several ? `${id}@${connection}` : id };
    }));
  }
  function chosen() {
    try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); }
  }
  // A link may name the phone without its connection; on a wide screen the latest chat is open.
  function current(chats) {
    const wanted = chosen();
    if (!wanted) return wide.matches ? chats[0] : undefined;
    return chats.find((c) => c.key === wanted) || chats.find((c) => c.key.startsWith(`${wanted}@`));
  }

  // *bold*, _italic_ and ~struck~ as WhatsApp shows them; everything else stays text.
  function rich(into, text) {
    const tags = { "*": "strong", _: "em", "~": "s" };
    let rest = 0;
    for (const m of text.matchAll(/(?<![\p{L}\p{N}*_~])([*_~])(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}*_~])/gu)) {
      into.append(text.slice(rest, m.index), el(tags[m[1]], "", m[2]));
      rest = m.index + m[0].length;
    }
    into.append(text.slice(rest));
  }

  function tick(message) {
    const status = word(message.status) || "unknown";
    const said = t[`status_${status}`] || t.status_unknown;
    const made = el("span", `tick ${status in ticks ? status : "unknown"}`);
    const mark = el("span", "", ticks[status] || "?");
    mark.setAttribute("aria-hidden", "true");
    made.title = said;
    made.append(mark);
    if (status === "failed") made.append(` ${said}${message.error ? ` (${word(message.error)})` : ""}`);
    else made.append(el("span", "hidden-words", said));
    return made;
  }

  function bubble(message, fresh) {
    const ours = message.from === "us";
    const failed = ours && message.status === "failed";
    const item = el("li", `message ${ours ? "us" : "guest"}${failed ? " failed-message" : ""}${fresh ? " new" : ""}`);
    const box = el("div", "bubble");
    box.append(el("span", "hidden-words", `${ours ? t.from_us : t.from_guest}: `));
    const text = word(message.text);
    const body = el("p", text ? "text" : "text empty");
    if (text) rich(body, text); else body.textContent = t.empty;
    const meta = el("p", "meta");
    if (word(message.template)) {
      const name = el("span", "template", word(message.template));
      name.title = t.template;
      meta.append(name);
    }
    const at = dated(message.at);
    if (at) {
      const stamp = el("time", "", time.format(at));
      stamp.dateTime = at.toISOString();
      meta.append(stamp);
    }
    if (ours) meta.append(tick(message));
    box.append(body, meta);
    item.append(box);
    const labels = array(message.buttons).map((b) => word(b) || word(b.text)).filter(Boolean);
    if (labels.length) {
      const row = el("ul", "buttons");
      row.setAttribute("aria-label", t.buttons);
      row.append(...labels.map((label) => el("li", "button", label)));
      item.append(row);
    }
    return item;
  }

  function drawList(chats, open) {
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceChildren();
    let sender = null;
    for (const { connection, chat, key } of chats) {
      if (data.connections.length > 1 && connection !== sender) list.append(el("li", "sender", connection));
      sender = connection;
      const link = el("a", "chat");
      link.href = `#${encodeURIComponent(key).replaceAll("%2B", "+").replaceAll("%40", "@")}`;
      if (open && open.key === key) link.setAttribute("aria-current", "true");
      const face = el("span", "face", initials(called(chat)));
      face.setAttribute("aria-hidden", "true");
      const last = array(chat.messages).at(-1);
      const at = last && dated(last.at);
      const near = at && dayOf(at);
      const when = el("span", "when", !at ? "" : near === t.today ? time.format(at) : near || short.format(at));
      const line = last ? `${last.from === "us" ? "" : `${t.you}: `}${word(last.text) || t.empty}` : "";
      link.append(face, el("span", "name", called(chat)), when, el("span", "last", line.replace(/[*~]|\n+/g, (c) => (c[0] === "\n" ? " " : ""))));
      const item = el("li");
      item.append(link);
      list.append(item);
      if (focused === link.getAttribute("href")) link.focus();
    }
  }

  function drawChat(open, chats) {
    const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 40;
    const same = open && shown.key === open.key;
    document.body.classList.toggle("open", chosen() !== "");
    title.textContent = open ? called(open.chat) : t.chats;
    phone.textContent = open ? [word(open.chat.name) && readable(open.chat.phone), word(open.chat.username)].filter(Boolean).join(" · ") : "";
    document.title = open ? `${called(open.chat)} · ${t.title}` : t.title;
    if (!open) {
      // Without any chat the list says so; on a narrow screen without a choice this is not seen.
      messages.replaceChildren(...(chats.length && chosen() ? [el("li", "aside", t.gone)] : []));
      shown = { key: null, count: 0 };
      return;
    }
    const place = messages.scrollTop;
    const items = [];
    let lastDay = null;
    array(open.chat.messages).forEach((message, n) => {
      const at = dated(message.at);
      const its = at && date.format(at);
      if (its && its !== lastDay) {
        const near = dayOf(at);
        const row = el("li", "day");
        row.append(el("span", "", near ? near : lang === "en" ? day.format(at) : day.format(at).replace(",", "")));
        items.push(row);
        lastDay = its;
      }
      items.push(bubble(message, same && n >= shown.count));
    });
    messages.replaceChildren(...items);
    messages.scrollTop = same && !atEnd ? place : messages.scrollHeight;
    const count = array(open.chat.messages).length;
    // Only what is new is read out, not the whole chat again.
    if (same && count > shown.count) {
      const latest = array(open.chat.messages)[count - 1];
      news.textContent = `${latest.from === "us" ? t.from_us : t.from_guest}: ${word(latest.text) || t.empty}`;
    } else if (!same) news.textContent = "";
    shown = { key: open.key, count };
  }

  function draw() {
    if (!data) return;
    const chats = all();
    const open = current(chats);
    // Drawn only when something changed: a reader's place, selection and screen reader are left alone.
    const now = JSON.stringify([data.connections, data.now && date.format(dated(data.now)), location.hash, wide.matches]);
    if (now === drawn) return;
    drawn = now;
    drawList(chats, open);
    drawChat(open, chats);
  }
  function say(text, bad) {
    if (notice.textContent !== text) notice.textContent = text;
    notice.classList.toggle("bad", Boolean(bad));
  }
  async function ask() {
    try {
      const answer = await fetch("/_sandbox/phone/chats", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      data = await answer.json();
      say(all().length ? "" : t.none);
      draw();
    } catch {
      say(t.offline, true);
    }
    setTimeout(ask, 1000);
  }

  const language = byId("language");
  const keepPlace = () => { language.hash = location.hash; };
  window.addEventListener("hashchange", () => { keepPlace(); draw(); });
  wide.addEventListener("change", draw);
  keepPlace();
  say(t.loading);
  ask();
})();
