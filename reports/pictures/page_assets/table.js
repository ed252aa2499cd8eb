// The table of a group: sorted by a click on a heading, filtered by words, opened row by row.

/** Fill the table; gives back `open(id)`, which shows a row's details and brings it into view. */
function fillTable(group) {
  const table = at("table");
  const details = new Map();
  const lines = group.rows.map((row) => line(row, group, (wanted) => toggle(row, wanted)));
  const headings = group.columns.map((column, n) => {
    const sort = make("button", { type: "button", text: column.title, on: { click: () => sortBy(n) } });
    return make("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": "none" }, sort);
  });
  const body = make("tbody");
  table.replaceChildren(make("caption", { class: "hidden", text: `Methods on ${group.title}` }),
    make("thead", {}, make("tr", {}, ...headings)), body);
  let order = group.rows.map((_, n) => n);

  function lay() {
    body.replaceChildren(...order.flatMap((n) => [lines[n], details.get(group.rows[n].id)].filter(Boolean)));
    filter();
  }

  function sortBy(n) {
    const down = headings[n].getAttribute("aria-sort") === "ascending";
    headings.forEach((heading, m) => heading.setAttribute("aria-sort", m !== n ? "none" : down ? "descending" : "ascending"));
    const known = (row) => group.rows[row].keys[n];
    order = group.rows.map((_, row) => row).sort((a, b) => compare(known(a), known(b), down));
    lay();
  }

  function filter() {
    const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    group.rows.forEach((row, n) => {
      const fits = words.every((word) => searched(row).includes(word));
      lines[n].hidden = !fits;
      const detail = details.get(row.id);
      if (detail) detail.hidden = !fits || lines[n].querySelector("button").getAttribute("aria-expanded") === "false";
      count += fits;
    });
    at("count").textContent = `${count} of ${group.rows.length} rows`;
  }

  async function toggle(row, wanted) {
    const button = at(row.id).querySelector("button");
    const open = wanted ?? button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", open);
    if (open && !details.has(row.id)) {
      const cell = make("td", { colspan: group.columns.length }, make("p", { text: "opening ..." }));
      details.set(row.id, make("tr", { class: "details", id: `${row.id}-details` }, cell));
      at(row.id).after(details.get(row.id));
      await showDetails(cell, row, (await unpacked()).rows[row.id]);
    }
    const detail = details.get(row.id);
    if (detail) detail.hidden = !open;
  }

  at("filter").oninput = filter;
  lay();
  return {
    async open(id) {
      const row = group.rows.find((one) => one.id === id);
      at("filter").value = "";
      filter();
      await toggle(row, true);
      at(id).scrollIntoView({ block: "center" });
      at(id).querySelector("button").focus();
    },
  };
}

function line(row, group, toggle) {
  const button = make("button", {
    type: "button", "aria-expanded": "false", "aria-controls": `${row.id}-details`, on: { click: () => toggle() },
  }, make("span", { text: row.label }), row.front ? make("abbr", { title: "on the front", text: " *" }) : null);
  const cells = row.cells.map((text, n) => {
    if (n === 0) return make("th", { scope: "row" }, button);
    if (group.columns[n].title === "marks") return make("td", {}, marks(row));
    const hash = ["recipe", "data"].includes(group.columns[n].title);
    if (hash) return make("td", {}, make("code", { title: text, text: text.slice(0, 8) }));
    const [value, ...rest] = text.split(" "); // a value, and how sure it is below
    return make("td", { class: "number" }, value, rest.length ? make("small", { text: ` ${rest.join(" ")}` }) : null);
  });
  return make("tr", {
    id: row.id, data: { kind: row.kind },
    on: { pointerenter: () => light(row.id), pointerleave: () => light(null), focusin: () => light(row.id), focusout: () => light(null) },
  }, ...cells);
}

function marks(row) {
  const chips = row.marks.map((mark) => make("li", { class: ["unreliable", "incomplete"].includes(mark) ? "bad" : null, text: mark }));
  const why = row.reasons.map((reason) => make("p", { class: "small", text: reason }));
  return make("div", {}, chips.length ? make("ul", { class: "marks" }, ...chips) : "-", ...why);
}

/** What is missing comes last, whichever way the rest is sorted. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
  return down ? -order : order;
}

/** What the filter looks into. */
function searched(row) {
  row.text ??= [row.method, ...row.cells, ...row.reasons, JSON.stringify(row.parameters)].join(" ").toLowerCase();
  return row.text;
}
