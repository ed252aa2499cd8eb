// Switches, theme and downloads: what ties the parts together.

const board = JSON.parse(at("board").textContent);
let rows = null;

/** The group that is chosen: rows of other data or another recipe are in another group, and never beside these. */
function chosen() {
  return groupsOf(datasets[at("dataset").value])[at("recipe").value];
}

function groupsOf(dataset) {
  return board.filter((group) => group.dataset === dataset);
}

function plane() {
  return drawPlane(chosen(), Number(at("set").value), Number(at("attack").value), rows);
}

function showGroup() {
  const group = chosen();
  untell();
  offer(at("set"), group.sets);
  offer(at("attack"), group.attacks);
  rows = fillTable(group);
  at("caption").textContent = group.caption;
  at("remarks").replaceChildren(...group.remarks.map((text) => prose("li", text)));
  at("measures").replaceChildren(...group.measures.flatMap(([name, says]) => [make("dt", { text: name }), make("dd", { text: says })]));
  at("claim").hidden = group.claim === null;
  if (group.claim) {
    const { header, rows: ratios, caption, verdicts } = group.claim;
    at("ratios").replaceChildren(...makeTable(header, ratios, [0, 1, header.length - 1]).childNodes);
    at("verdicts").replaceChildren(...verdicts.map((text) => prose("li", text)));
    at("claim-says").textContent = caption;
  }
  return plane();
}

function showDataset() {
  offer(at("recipe"), groupsOf(datasets[at("dataset").value]).map((group) => group.recipe));
  return showGroup();
}

/** Colours of the reader's choice, remembered where the browser lets a file do that. */
function showTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

const remembered = (() => { try { return localStorage.getItem("facebench-theme") ?? ""; } catch { return ""; } })();
at("theme").value = ["light", "dark"].includes(remembered) ? remembered : "";
showTheme(at("theme").value);
at("theme").addEventListener("change", () => {
  showTheme(at("theme").value);
  try { localStorage.setItem("facebench-theme", at("theme").value); } catch { /* then it lasts until the page is closed */ }
});

const datasets = [...new Set(board.map((group) => group.dataset))];
offer(at("dataset"), datasets);
const largest = board // what is seen first: the group of most rows
  .reduce((most, group) => (group.rows.length > most.rows.length ? group : most));
at("dataset").value = datasets.indexOf(largest.dataset);
offer(at("recipe"), groupsOf(largest.dataset).map((group) => group.recipe));
at("recipe").value = groupsOf(largest.dataset).indexOf(largest);
at("dataset").addEventListener("change", showDataset);
at("recipe").addEventListener("change", showGroup);
at("set").addEventListener("change", plane);
at("attack").addEventListener("change", plane);
at("save-csv").addEventListener("click", async () => save("leaderboard.csv", "text/csv", (await unpacked()).csv));
at("save-json").addEventListener("click", async () => save("leaderboard.json", "application/json", (await unpacked()).json));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") untell(); });

let width = at("plane").clientWidth;
let waiting = 0;
new ResizeObserver(() => {
  if (at("plane").clientWidth === width) return;
  width = at("plane").clientWidth;
  clearTimeout(waiting);
  waiting = setTimeout(plane, 120);
}).observe(at("plane"));

showDataset().then(() => { document.documentElement.dataset.ready = ""; });
