// Saves reloads and knows keys. Everything here works without it: pages, forms, filters, paging.
// Nothing is ever put into the page but text: `textContent`, never HTML.
"use strict";
(() => {
  const POLL_MS = 5000, STALE_MS = 10000, RELOAD_MS = 10000;
  const byId = (id) => document.getElementById(id);

  // Live: words that stand alone are put in place; when there is newer evidence, the whole page is loaded again, so
  // that no number is older than the one beside it. Never under somebody's hands. A stream of events, or where there is
  // none (too many pages, the admin process is gone) a question every few seconds, until there is one again.
  const { liveUrl, mark: shown } = document.body.dataset;
  const loaded = Date.now();
  let heard = loaded, heardText = new Date().toISOString().slice(11, 19), touched = false, stream = null, asked = 0;
  const say = (fresh) => {
    byId("stale").hidden = fresh;
    byId("live").hidden = !fresh;
    byId("stale-at").textContent = heardText + " UTC";
  };
  const busy = () => touched || document.querySelector("dialog[open]") || !getSelection().isCollapsed ||
    document.activeElement.closest("main");
  const hear = (told) => {
    if (told.problem) return;
    for (const place of document.querySelectorAll("[data-live]")) {
      const text = told[place.dataset.live];
      if (text !== undefined && place.textContent !== text) place.textContent = text;
    }
    heard = Date.now();
    heardText = new Date().toISOString().slice(11, 19);
    say(true);
    if (shown && told.mark !== shown && heard - loaded > RELOAD_MS && !busy()) location.reload();
  };
  const listen = () => {
    if (stream) return;
    stream = new EventSource(liveUrl.replace("/console/live", "/console/events"));
    stream.onmessage = (event) => hear(JSON.parse(event.data));
    stream.onerror = () => { if (stream && stream.readyState === EventSource.CLOSED) stop(); };
  };
  const stop = () => { if (stream) stream.close(); stream = null; };
  const poll = async () => {
    asked = Date.now();
    try {
      const answer = await fetch(liveUrl, { headers: { accept: "application/json" }, cache: "no-store",
        signal: AbortSignal.timeout(POLL_MS * 2) });
      if (!answer.ok) return;
      hear(await answer.json());
      listen();
    } catch (_) { /* the bar says so below */ }
  };
  // How old each number is: times that pages say, counted on.
  const ages = () => {
    for (const place of document.querySelectorAll("[data-age]")) {
      const s = Math.max(0, Math.round(Date.now() / 1000 - Number(place.dataset.age)));
      place.textContent = s < 90 ? `${s} s ago` : s < 5400 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
    }
  };
  const tick = () => {
    ages();
    if (!liveUrl) return;
    if (document.hidden) { stop(); heard = Math.max(heard, Date.now() - STALE_MS / 2); return; }
    if (!stream && Date.now() - asked > POLL_MS) poll();
    if (Date.now() - heard > STALE_MS) say(false);
  };
  if (liveUrl) {
    listen();
    asked = loaded;
    document.addEventListener("visibilitychange", () => { if (!document.hidden) listen(); });
    document.addEventListener("toggle", () => { touched = true; }, true);
  }
  ages();
  setInterval(tick, 1000);

  // Keys ---------------------------------------------------------------------------------------------------------
  const GO = { r: "/", p: "/pairs", t: "/traffic", c: "/cost", a: "/audit", l: "/label", j: "/judge", i: "/readiness", s: "/system", u: "/unrouted", d: "/data" };
  for (const hint of document.querySelectorAll(".keys-hint")) hint.hidden = false;
  let going = 0, row = -1;
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
  const open = (selector) => { const found = document.querySelector(selector); if (found) { found.click(); return true; } return false; };
  const move = (step) => {
    if (open(step > 0 ? "a[data-key='j']" : "a[data-key='k']")) return;
    const all = rows();
    if (!all.length) return;
    row = Math.min(Math.max(row + step, 0), all.length - 1);
    for (const each of all) each.classList.remove("chosen");
    all[row].classList.add("chosen");
    all[row].scrollIntoView({ block: "nearest" });
  };
  const here = document.querySelector(".side [aria-current]");
  if (here) here.scrollIntoView({ block: "nearest", inline: "center" });  // a narrow bar shows where one is
  const rowLink = () => { const chosen = rows()[row]; return chosen ? chosen.querySelector("th a, td a") : null; };
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest("form");
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && form) { form.requestSubmit(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { open("[data-escape]"); return; }
    if (typing(event.target)) return;
    if (going && Date.now() - going < 1500 && GO[event.key]) { location.href = GO[event.key]; return; }
    going = 0;
    const named = !event.repeat && document.querySelector(`[data-key='${CSS.escape(event.key)}']`);
    if (named) { event.preventDefault(); named.click(); return; }
    switch (event.key) {
      case "g": going = Date.now(); break;
      case "?": byId("keys").showModal(); break;
      case "/": { const box = document.querySelector("[type=search]"); if (box) { event.preventDefault(); box.focus(); box.select(); } break; }
      case "j": move(1); break;
      case "k": move(-1); break;
      case "Enter": { const link = rowLink(); if (link) link.click(); break; }
      case "o": { const link = rowLink(); if (link) window.open(link.href, "_blank", "noopener"); break; }
      case "[": open("a[rel=prev]"); break;
      case "]": open("a[rel=next]"); break;
      default: break;
    }
  });
})();
