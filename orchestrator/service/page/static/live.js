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
    const one = follows.dataset.target; // a page of one target: what somebody reads is not taken from under them
    if (one) return one === target ? say("new results are there; reload the page", false) : undefined;
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
  const parts = (text) => [...new DOMParser().parseFromString(text, "text/html").body.children].map((each) => document.importNode(each, true));

  async function follow() {
    const old = progress();
    if (!old || old.dataset.over === "true") return;
    if (!document.hidden) {
      try {
        const answer = await fetch(`/runs/${encodeURIComponent(old.dataset.run)}/progress`);
        if (!answer.ok) throw new Error(answer.status);
        old.replaceWith(...parts(await answer.text()));
        say("live", false);
        if (progress().dataset.over === "true") return location.reload(); // what can be done with it is otherwise now
      } catch {
        say("connection lost, trying again", true);
      }
    }
    setTimeout(follow, POLL);
  }

  // ---- a tree of packages: a branch is asked for when it is opened first

  async function open(branch) {
    const below = branch.querySelector(":scope > .below");
    if (!branch.open || !below || branch.dataset.asked) return;
    branch.dataset.asked = "true";
    const link = below.firstElementChild;
    try {
      const answer = await fetch(branch.dataset.below);
      if (!answer.ok) throw new Error(answer.status);
      const made = parts(await answer.text());
      below.replaceWith(...made);
      made.forEach(listen_to);
    } catch { // the link to a page of its own stays
      delete branch.dataset.asked;
      link.textContent = "It could not be read; open it on a page of its own";
    }
  }

  const listen_to = (part) => part.querySelectorAll("details[data-below]").forEach((each) => each.addEventListener("toggle", () => open(each)));
  listen_to(document);

  // ---- a page that could not be made is asked for again

  const again = document.querySelector("[data-again]");
  if (again) {
    const wait = Math.max(5, Number(again.dataset.again) || 0);
    say(`trying again in ${wait} s`, true);
    setTimeout(() => location.reload(), wait * 1000);
  }

  // ---- what the service tells, by one connection for all windows of a browser

  // A browser opens six connections to a service that speaks HTTP/1.1, for all of its windows. So one of those that
  // somebody sees holds a connection, by a lock, and tells the others what it hears; a hidden one takes no part, and
  // begins again, from the place where it left, when it is seen. Without locks, as where the page came unencrypted from
  // another machine, each window that is seen holds a connection of its own.
  const NAME = `scanmatrix-live ${document.querySelector(".viewer span")?.textContent ?? ""}`;
  const SHARES = "locks" in navigator && "BroadcastChannel" in window;

  // From the place at which the page was made: what changed since then is sent, too.
  let last = follows?.dataset.cursor, source, later, channel, leaving, release;

  const number = (cursor) => Number(cursor.slice(cursor.lastIndexOf("-") + 1));
  const epoch = (cursor) => cursor.slice(0, cursor.lastIndexOf("-"));
  const isBefore = (one, other) => epoch(one) !== epoch(other) || number(one) < number(other);

  function hear(kind, cursor, target) {
    if (kind === "resync") return location.reload();
    if (cursor && last && !isBefore(last, cursor)) return; // sent again because another window had missed it
    last = cursor || last;
    changed(target);
  }

  function tell(text, away) {
    say(text, away);
    channel?.postMessage({ says: [text, away] });
  }

  function listen() {
    clearTimeout(later);
    const one = source = new EventSource(`/api/v1/events?${new URLSearchParams({ after: last })}`);
    one.onopen = () => tell("live", false);
    one.onerror = () => {
      if (one.readyState !== EventSource.CLOSED) return tell("connection lost, reconnecting", true);
      // The browser does so only while nobody answers; not where something does, such as a proxy, that is no stream.
      tell("not live, trying again; reload the page if this stays", true);
      later = setTimeout(listen, AGAIN);
    };
    for (const kind of ["ready", "cells", "deleted", "run", "store", "resync"]) {
      one.addEventListener(kind, (event) => {
        const heard = [kind, event.lastEventId, JSON.parse(event.data).target];
        channel?.postMessage({ heard });
        hear(...heard);
      });
    }
  }

  function answer({ data }) {
    if (data.heard) return hear(...data.heard);
    if (data.says) return say(...data.says);
    if (data.leads) return channel.postMessage({ hello: last });
    if (!data.hello || !source) return;
    if (isBefore(data.hello, last)) { // it lacks what this one has heard already
      const mine = last;
      source.close();
      last = data.hello;
      listen();
      last = mine;
    } else if (source.readyState === EventSource.OPEN) channel.postMessage({ says: ["live", false] });
  }

  function join() {
    if (!SHARES) return listen();
    channel = new BroadcastChannel(NAME);
    channel.onmessage = answer;
    leaving = new AbortController();
    const own = channel;
    const lead = () => own === channel && new Promise((end) => {
      release = end;
      channel.postMessage({ leads: true }); // who has read less says so
      listen();
    });
    navigator.locks.request(NAME, { signal: leaving.signal }, lead).catch(() => {}); // it left while it waited
    channel.postMessage({ hello: last });
  }

  function leave() {
    clearTimeout(later);
    source?.close();
    leaving?.abort();
    release?.();
    channel?.close();
    source = channel = leaving = release = undefined;
  }

  let takesPart = false;

  function attend() {
    const sees = !document.hidden;
    if (sees && !takesPart) join();
    if (!sees) {
      leave();
      say("paused while this tab is hidden", false);
    }
    takesPart = sees;
  }

  if (follows) {
    attend();
    document.addEventListener("visibilitychange", attend);
    addEventListener("pagehide", leave);
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
  follow();
})();
