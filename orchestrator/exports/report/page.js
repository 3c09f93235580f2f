"use strict";
// The filterable table: only the rows in sight are in the document, and whatever a scanner wrote gets there as text.
(() => {
  const ROW = 36, SPARE = 12, PRINTED = 200, EMPTY = 1e9;
  const byId = (id) => document.getElementById(id);
  const { head, rows, columns } = JSON.parse(byId("data").textContent);
  const number = new Intl.NumberFormat("en");
  const box = byId("box"), body = byId("body"), form = byId("filter"), only = byId("only");

  const values = (name) => columns[name].values;
  const code = (name, row) => (columns[name].codes.length ? columns[name].codes[row] : 0);
  const value = (name, row) => values(name)[code(name, row)];
  const owners = (row) => head.owners[code("target", row)];
  const label = (row) => head.labels[code("target", row)];
  // What all targets have in common tells nothing: `registry.example/` goes, in the table only.
  const stem = /^.*\//.exec(head.labels.reduce((one, other) => {
    let same = 0;
    while (same < one.length && one[same] === other[same]) same++;
    return one.slice(0, same);
  }, head.labels[0] ?? ""))?.[0].length ?? 0;

  // As `orchestrator.kit.text.visible`: nothing of a text is hidden, and none turns the direction of its neighbours.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}/u.source;
  const UNCLEAR = new RegExp(`${HIDDEN}|\\\\(?=[\\\\xuUnrt]|${HIDDEN})`, "gu");
  const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
  const seen = (text) => String(text ?? "").replace(UNCLEAR, (found) => {
    const hex = found.codePointAt(0).toString(16);
    return SHORT[found] ?? (hex.length < 3 ? `\\x${hex.padStart(2, "0")}` : hex.length < 5 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`);
  });

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text) made.textContent = seen(text);
    if (className) made.className = className;
    return made;
  };

  // ---- filtering: each condition is a mask over the distinct values of one column

  const state = { target: null, sort: "", descending: false };
  const lowered = {};
  const texts = {
    id: () => values("id"), aliases: () => values("aliases"), package: () => values("package"),
    purl: () => values("purl"), version: () => values("version"), title: () => values("title"),
    locations: () => values("locations"), places: () => values("places"),
    target: () => head.labels.map((text, place) => [text, ...head.owners[place]]),
  };
  const lower = (name) => (lowered[name] ??= texts[name]().map((each) => String(each).toLowerCase()));

  const mask = (name, list, test) => ({ codes: columns[name].codes, mask: list.map(test), one: !columns[name].codes.length });
  const holds = (each, row) => each.mask[each.one ? 0 : each.codes[row]];

  function conditions() {
    const found = [];
    const chosen = new Set([...form.querySelectorAll("#severities input:checked")].map((each) => each.value));
    const picked = (id) => byId(id).value;
    if (chosen.size) found.push(mask("severity", values("severity"), (each) => chosen.has(each)));
    if (picked("kind")) found.push(mask("kind", values("kind"), (each) => each === picked("kind")));
    if (picked("scan")) found.push(mask("found_by", values("found_by"), (each) => each.includes(picked("scan"))));
    if (picked("rule")) found.push(mask("rules", values("rules"), (each) => each.includes(picked("rule"))));
    if (picked("fix")) found.push(mask("fixed_version", values("fixed_version"), (each) => (each !== "") === (picked("fix") === "yes")));
    if (picked("hidden")) found.push(mask("suppressed", values("suppressed"), (each) => (each !== "") === (picked("hidden") === "yes")));
    const owner = picked("owner");
    if (owner) found.push(mask("target", head.owners, (each) => (each.length ? each : [head.nobody]).includes(owner)));
    if (state.target !== null) found.push(mask("target", values("target"), (each) => each === state.target));
    return found;
  }

  function search(word) {
    const names = Object.keys(texts);
    return names.map((name) => mask(name, lower(name), (each) => each.includes(word))).filter((each) => each.mask.includes(true));
  }

  // As `orchestrator.kit.ids.clean`: what comes along when an id is copied out of a page.
  const pasted = (text) => text.replace(/[\u2010-\u2015\u2212]/g, "-").replace(/\p{Cf}/gu, "").normalize("NFKC");

  let shown = [];
  function filter() {
    const all = conditions();
    const words = pasted(byId("text").value).toLowerCase().split(/\s+/).filter(Boolean).map(search);
    shown = [];
    for (let row = 0; row < rows; row++) {
      if (all.every((each) => holds(each, row)) && words.every((word) => word.some((each) => holds(each, row)))) shown.push(row);
    }
    sort();
    byId("status").textContent = `${number.format(shown.length)} of ${number.format(rows)} findings${rows > shown.length ? " match" : ""}`;
    const place = state.target === null ? -1 : values("target").indexOf(state.target);
    only.hidden = state.target === null;
    only.textContent = `Only ${seen(place < 0 ? state.target : head.labels[place])} ✕`;
    box.scrollTop = 0;
    draw();
  }

  // ---- sorting: by the rank of each distinct value; what is empty comes last either way

  const padded = (text) => text.replace(/\d+/g, (digits) => digits.padStart(12, "0")).toLowerCase();
  const keys = {
    severity: () => values("severity").map((each) => head.severities.indexOf(each)),
    target: () => head.labels.map(padded),
    owner: () => head.owners.map((each) => each.join(", ").toLowerCase()),
    found_by: () => values("found_by").map((each) => each.join(", ")),
  };

  function ranks(name) {
    const list = (keys[name] ?? (() => values(name).map((each) => padded(String(each)))))();
    const order = list.map((_, place) => place).sort((a, b) => (list[a] < list[b] ? -1 : list[a] > list[b] ? 1 : 0));
    const found = new Array(list.length);
    let rank = 0;
    order.forEach((place, turn) => {
      if (turn && list[place] !== list[order[turn - 1]]) rank++;
      found[place] = list[place] === "" ? EMPTY : state.descending ? -rank : rank;
    });
    return found;
  }

  function sort() {
    for (const cell of byId("head").children) {
      const sorted = cell.dataset.sort === state.sort;
      cell.setAttribute("aria-sort", sorted ? (state.descending ? "descending" : "ascending") : "none");
    }
    if (!state.sort) return;
    const rank = ranks(state.sort), name = state.sort === "owner" ? "target" : state.sort;
    shown.sort((a, b) => rank[code(name, a)] - rank[code(name, b)] || a - b);
  }

  // ---- drawing

  function line(row, place) {
    const made = element("tr", "", value("suppressed", row) ? "hidden-row" : "");
    made.setAttribute("aria-rowindex", place + 2);
    const cell = (text, title = text) => {
      const td = element("td", text);
      if (title) td.title = seen(title);
      made.append(td);
      return td;
    };
    const severity = value("severity", row);
    cell().append(element("span", severity, `badge state-${severity}`));
    const id = element("button", value("id", row), "open");
    id.type = "button";
    id.dataset.row = row;
    const first = cell();
    first.append(id);
    first.title = seen(value("id", row));
    if (value("kev", row)) first.append(element("span", "KEV", "mark"));
    if (value("suppressed", row)) first.append(element("span", value("suppressed", row).replace("_", " "), "mark quiet"));
    const often = value("kind", row) !== "vulnerability" && value("count", row) > 1 ? ` ×${value("count", row)}` : "";
    cell(`${value("package", row) || value("locations", row).join(", ")}${often}`);
    cell(value("version", row));
    cell(value("fixed_version", row));
    cell(label(row).slice(stem), label(row));
    cell(owners(row).join(", "));
    cell(value("found_by", row).join(", "));
    cell(value("first_seen", row).slice(0, 10));
    cell(value("title", row));
    return made;
  }

  function gap(count) {
    const made = element("tr", "", "gap");
    const td = element("td");
    td.colSpan = 10;
    td.style.height = `${count * ROW}px`;
    made.setAttribute("aria-hidden", "true");
    made.append(td);
    return made;
  }

  function draw() {
    const begin = Math.max(0, Math.floor(box.scrollTop / ROW) - SPARE);
    const end = Math.min(shown.length, begin + Math.ceil(box.clientHeight / ROW) + 2 * SPARE);
    const lines = shown.slice(begin, end).map((row, place) => line(row, begin + place));
    const before = begin ? [gap(begin)] : [], after = end < shown.length ? [gap(shown.length - end)] : [];
    body.replaceChildren(...before, ...lines, ...after);
    byId("table").setAttribute("aria-rowcount", shown.length + 1);
  }

  // ---- one finding in full

  function advisory(id) {
    if (/^CVE-\d{4}-\d+$/.test(id)) return `https://nvd.nist.gov/vuln/detail/${id}`;
    if (/^GHSA(-[0-9a-z]{4}){3}$/.test(id)) return `https://github.com/advisories/${id}`;
    if (/^(GO|PYSEC|RUSTSEC|OSV|DSA|DLA|USN|ALSA|RHSA|MAL)-[0-9A-Za-z:-]+$/.test(id)) return `https://osv.dev/vulnerability/${id}`;
    return "";
  }

  function fact(name, list) {
    const texts = list.filter(Boolean);
    if (!texts.length) return;
    const dd = element("dd");
    for (const text of texts) {
      const address = advisory(text), part = element(address ? "a" : "span", text);
      if (address) Object.assign(part, { href: address, rel: "noreferrer noopener", target: "_blank" });
      dd.append(part);
    }
    byId("facts").append(element("dt", name), dd);
  }

  function open(row) {
    const asked = new Set();
    const of = (name) => { asked.add(name); return value(name, row); };
    byId("detail-title").textContent = seen(of("id"));
    byId("facts").replaceChildren();
    fact("Title", [of("title")]);
    fact("Advisories", of("kind") === "vulnerability" ? [of("id"), ...of("aliases")] : []);
    fact("Other names", of("kind") === "vulnerability" ? [] : of("aliases"));
    fact("Kind", [of("kind")]);
    fact("Severity", [of("severity"), ...(new Set(of("severities").map((each) => each.split("=").pop())).size > 1 ? of("severities").map((each) => each.replace("=", ": ")) : [])]);
    fact("CVSS", [of("cvss_score") === null ? "" : String(of("cvss_score")), of("cvss_vector")]);
    fact("EPSS", [of("epss") === null ? "" : `${(of("epss") * 100).toFixed(1)} % in 30 days`]);
    fact("Known exploited", [of("kev") ? "yes, in CISA’s catalogue" : ""]);
    fact("Package", [of("package"), of("version"), of("purl")]);
    fact("Fixed in", [of("fixed_version") || (of("package") ? "no version yet" : "")]);
    fact("Where", of("locations"));
    fact("Places", of("count") > 1 ? [`${of("count")} of it`, ...of("places")] : of("places"));
    fact("Target", [label(row), of("target")]);
    fact("Owner", owners(row));
    fact("Runs as", head.workloads[code("target", row)]);
    fact("Found by", of("found_by"));
    fact("Not found by", of("not_found_by"));
    fact("Not scanned by", of("not_scanned_by"));
    fact("First seen", [of("first_seen").replace("T", " ").replace("Z", " UTC")]);
    fact("VEX", [of("vex").replace("_", " ")]);
    fact("Suppressed", [of("suppressed").replace("_", " "), of("suppressed_reason"), of("justification").replaceAll("_", " "), of("suppressed_by"), of("suppressed_until") && `until ${of("suppressed_until").slice(0, 10)}`]);
    fact("Policy rules", of("rules"));
    // What a finding has that has no line of its own here.
    for (const name of Object.keys(columns).filter((each) => !asked.has(each))) {
      fact(`${name[0].toUpperCase()}${name.slice(1).replaceAll("_", " ")}`, [of(name)].flat().filter(Boolean).map(String));
    }
    byId("detail").showModal();
  }

  // ---- controls

  function options(id, texts) {
    byId(id).append(...texts.map((text) => Object.assign(element("option", text), { value: text })));
  }

  const every = (name) => [...new Set(values(name).flat())].sort();
  options("kind", every("kind"));
  options("scan", head.scans);
  options("owner", [...new Set(head.owners.flatMap((each) => (each.length ? each : [head.nobody])))].sort());
  options("rule", every("rules"));
  byId("rule-label").hidden = !every("rules").length;
  for (const severity of head.severities.filter((each) => values("severity").includes(each))) {
    const input = Object.assign(element("input"), { type: "checkbox", value: severity });
    const pill = element("label", "", `pill state-${severity}`);
    pill.append(input, severity);
    byId("severities").append(pill);
  }
  for (const cell of byId("head").children) {
    const button = Object.assign(element("button", cell.textContent), { type: "button" });
    button.addEventListener("click", () => {
      const again = state.sort === cell.dataset.sort;
      state.descending = again && !state.descending;
      state.sort = cell.dataset.sort;
      filter();
    });
    cell.dataset.label = cell.textContent;
    cell.replaceChildren(button);
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => {
    Object.assign(state, { target: null, sort: "", descending: false });
    setTimeout(filter);
  });
  only.addEventListener("click", () => {
    state.target = null;
    filter();
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) open(Number(button.dataset.row));
  });
  byId("detail").addEventListener("click", (event) => {
    if (event.target === byId("detail")) byId("detail").close();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href='#findings']");
    if (!link || !Object.keys(link.dataset).length) return;
    form.reset();
    setTimeout(() => {
      state.target = link.dataset.target ?? null;
      byId("scan").value = link.dataset.scan ?? "";
      byId("rule").value = link.dataset.rule ?? "";
      byId("owner").value = link.dataset.owner ?? "";
      byId("text").value = link.dataset.text ?? "";
      filter();
    });
  });

  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
  box.addEventListener("scroll", redraw, { passive: true });
  addEventListener("resize", redraw);

  // ---- on paper: the first of the rows that the filter leaves, and how many there are

  addEventListener("beforeprint", () => {
    body.replaceChildren(...shown.slice(0, PRINTED).map(line));
    if (shown.length > PRINTED) byId("status").textContent += `; the first ${PRINTED} are printed`;
  });
  addEventListener("afterprint", filter);

  form.hidden = false;
  filter();
  requestAnimationFrame(() => performance.mark("table-drawn"));
})();
