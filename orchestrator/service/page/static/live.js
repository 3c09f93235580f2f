"use strict";
// Redraws what changes while a page is shown; without it every page is there all the same, as it was when it was asked for.
(() => {
  const WAIT = 60, MOST = 100, POLL = 3000, AGAIN = 5000, SHOWN = 2500;
  const status = document.getElementById("live");
  const follows = document.querySelector("[data-cursor]");
  const matrix = document.getElementById("matrix");
  const say = (text, away) => {
    status.hidden = false;
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("away", away);
  };

  // ---- the matrix: rows whose target changed are asked for together, and put in the place of the old ones

  const waiting = new Set(), others = new Set();
  let timer = 0;

  function changed(target) {
    if (!target) return;
    if (!matrix) return location.reload(); // the first result of all
    if (document.getElementById(`t-${target}`)) {
      waiting.add(target);
      timer ||= setTimeout(redraw, WAIT);
    } else if (others.size < SHOWN) {
      others.add(target);
      say(`live; ${others.size} not shown here changed`, false);
    }
  }

  async function redraw() {
    const some = [...waiting].slice(0, MOST);
    some.forEach((each) => waiting.delete(each));
    const scans = [...matrix.querySelectorAll("[data-scan]")].map((each) => ["scan", each.dataset.scan]);
    let pause = WAIT;
    try {
      const answer = await fetch(`/matrix/rows?${new URLSearchParams([...some.map((each) => ["target", each]), ...scans])}`);
      if (answer.status === 409) return location.reload(); // another scan has a column now
      if (!answer.ok) throw new Error(answer.status);
      place(some, await answer.text());
    } catch { // too busy, or the connection is gone: these rows are still old
      some.forEach((each) => waiting.add(each));
      pause = AGAIN;
    }
    timer = waiting.size ? setTimeout(redraw, pause) : 0;
  }

  function place(asked, text) {
    const left = new Set(asked.map((each) => `t-${each}`));
    for (const row of new DOMParser().parseFromString(text, "text/html").querySelectorAll("[role=row]")) {
      const old = document.getElementById(row.id);
      left.delete(row.id);
      if (!old) continue;
      const held = old.contains(document.activeElement);
      const made = document.importNode(row, true);
      made.classList.add("changed");
      old.replaceWith(made);
      if (held) made.querySelector("a")?.focus();
      setTimeout(() => made.classList.remove("changed"), SHOWN);
    }
    left.forEach((id) => document.getElementById(id)?.remove()); // no name means these any more
  }

  // ---- a run that is not over: its part of the page is asked for again while somebody looks

  const progress = () => document.getElementById("progress");

  async function follow() {
    const old = progress();
    if (!old || old.dataset.over === "true") return;
    if (!document.hidden) {
      try {
        const answer = await fetch(`/runs/${encodeURIComponent(old.dataset.run)}/progress`);
        if (answer.ok) old.replaceWith(document.importNode(new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild, true));
        if (progress().dataset.over === "true") return location.reload(); // what can be done with it is otherwise now
      } catch { /* likewise */ }
    }
    setTimeout(follow, POLL);
  }

  // ---- what the service tells

  // From the place at which the page was made: what changed since then is sent, too.
  let last = follows?.dataset.cursor, source;

  function listen() {
    source = new EventSource(`/api/v1/events?${new URLSearchParams({ after: last })}`);
    source.onopen = () => say("live", false);
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return say("connection lost, reconnecting", true);
      // The browser does so only while nobody answers; not where something does, such as a proxy, that is no stream.
      say("not live, trying again; reload the page if this stays", true);
      setTimeout(listen, AGAIN);
    };
    source.addEventListener("resync", () => location.reload());
    for (const kind of ["ready", "cells", "deleted", "run", "store"]) {
      source.addEventListener(kind, (event) => {
        last = event.lastEventId || last;
        changed(JSON.parse(event.data).target);
      });
    }
  }

  if (follows) {
    listen();
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
  follow();
})();
