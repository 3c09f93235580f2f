"use strict";
// Redraws what changes while a page is shown; without it every page is there all the same, as it was when it was asked for.
(() => {
  const WAIT = 60, MOST = 100, POLL = 3000, SHOWN = 2500;
  const status = document.getElementById("live");
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
    if (!matrix || !target) return;
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
    try {
      const answer = await fetch(`/matrix/rows?${new URLSearchParams([...some.map((each) => ["target", each]), ...scans])}`);
      if (answer.status === 409) return location.reload(); // another scan has a column now
      if (answer.ok) place(some, await answer.text());
    } catch { /* the connection is gone; the page is read again once it is back */ }
    timer = waiting.size ? setTimeout(redraw, WAIT) : 0;
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
      } catch { /* likewise */ }
    }
    setTimeout(follow, POLL);
  }

  // ---- what the service tells

  function listen() {
    const source = new EventSource("/api/v1/events");
    let away = false;
    source.onopen = () => {
      if (away) return location.reload(); // what happened meanwhile is not known here
      say("live", false);
    };
    source.onerror = () => {
      away = true;
      say(source.readyState === EventSource.CLOSED ? "not live; reload the page to see changes" : "connection lost, reconnecting", true);
    };
    source.addEventListener("resync", () => location.reload());
    for (const kind of ["cells", "deleted", "message"]) {
      source.addEventListener(kind, (event) => changed(JSON.parse(event.data).target));
    }
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  if (matrix) listen();
  follow();
})();
