// Small things all others need. Text of records only ever becomes text: nothing here or elsewhere parses HTML.

const at = (id) => document.getElementById(id);

/** A new element: `text`, `on` (listeners) and `data` are special, all other properties are attributes. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A table of texts; `words` says which columns are words, all others are numbers. */
function makeTable(header, rows, words) {
  const kind = (n) => (words.includes(n) ? null : "number");
  return make("table", {},
    make("thead", {}, make("tr", {}, ...header.map((text, n) => make("th", { scope: "col", class: kind(n), text })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text, n) => make("td", { class: kind(n), text })))),
  ));
}

/** A text of the reports, in which `words` between backticks are names. */
function prose(tag, text) {
  return make(tag, {}, ...text.split("`").map((part, n) => (n % 2 ? make("code", { text: part }) : part)));
}

/** Put choices into a select element, keeping the one that is chosen where it is still there. */
function offer(select, names) {
  const before = names.indexOf(select.selectedOptions[0]?.textContent);
  select.replaceChildren(...names.map((name, n) => make("option", { value: n, text: name })));
  select.value = Math.max(0, before);
  select.disabled = names.length < 2;
}

/** A number to be read: the digits that matter. */
function shown(value) {
  if (value === null || value === undefined) return "-";
  return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(Math.abs(value) < 10 ? 3 : 4)));
}

/** Save a text as a file. */
function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

let unpacking = null;

/** What lies compressed in the page: details of rows, and the files to save. */
function unpacked() {
  unpacking ??= (async () => {
    const bytes = Uint8Array.from(atob(JSON.parse(at("packed").textContent)), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  })();
  return unpacking;
}
