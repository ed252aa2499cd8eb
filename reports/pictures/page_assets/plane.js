// The plane: points of the rows that can be compared, told by hover and focus, and the others beside it.

const tip = at("tip");

/** Draw the plane of a group as seen by one verification set and one attacker. */
async function drawPlane(group, set, attack, rows) {
  const places = group.rows.map((row) => ({ row, useful: row.utility[set], leaky: row.leakage[attack] }));
  const there = places.filter((place) => place.useful && place.leaky);
  const front = new Set(group.fronts[set][attack].map((n) => group.rows[n].id));
  const xTitle = `${group.measure} (${group.sets[set]})${group.unit ? `, ${group.unit}` : ""}`;
  const holder = at("plane");
  const width = Math.max(260, holder.clientWidth - 2);
  at("plane-says").textContent =
    `Utility: ${group.measure} (${group.sets[set]}); leakage: ${group.attacks[attack]}. The best is at the top right. ` +
    `${there.length} of ${group.rows.length} rows are drawn, ${front.size} on the front.`;
  const spec = planeSpec({
    points: there.map((place) => point(place, front.has(place.row.id), group)),
    chance: { utility: group.chance.utility[set], leakage: group.chance.leakage[attack] },
    title: `Privacy-utility plane, ${group.title}`,
    xTitle, yTitle: width < 480 ? "leakage, % (less is up)" : `leakage to the ${group.attacks[attack]}, % (less is up)`,
    better: group.better, width, height: Math.round(Math.min(460, Math.max(320, width * 0.5))),
  });
  holder.replaceChildren();
  await draw(holder, spec);
  makeReachable(holder, rows);
  showApart(places.filter((place) => !place.useful || !place.leaky), set, group);
}

function point({ row, useful: [x, left, right], leaky: [y, below, above, by] }, front, group) {
  const doubted = row.reasons.length > 0;
  const colour = row.kind === "bound" ? "var(--bound)" : front ? "var(--front)" : "var(--other)";
  const told = `${row.label}${front ? " (on the front)" : ""}: ${group.measure} ${range(x, left, right, group.unit)}, ` +
    `leakage ${range(y, below, above, "%")} (${by})`;
  return {
    id: row.id, label: row.kind === "bound" ? `${row.label} (bound)` : row.label, x, left, right, y, below, above, front, told,
    colour, fill: doubted ? "var(--paper)" : colour,
    shape: row.kind === "bound" ? "square" : front ? "circle" : "diamond",
  };
}

function range(value, low, high, unit) {
  return `${shown(value)}${unit && ` ${unit}`}${low === null ? "" : ` [${shown(low)}, ${shown(high)}]`}`;
}

/** One stop for the Tab key; arrow keys go from point to point, left to right; Enter opens the row. */
function makeReachable(holder, rows) {
  const dots = [...holder.querySelectorAll(".mark-symbol.dots > path, .mark-symbol.dots > * > path")]
    .sort((a, b) => a.__data__.datum.x - b.__data__.datum.x);
  dots.forEach((dot, n) => {
    const { id, told } = dot.__data__.datum;
    const go = (m) => {
      dots.forEach((other, k) => other.setAttribute("tabindex", k === m ? 0 : -1));
      dots[m].focus();
    };
    const steps = { ArrowRight: n + 1, ArrowDown: n + 1, ArrowLeft: n - 1, ArrowUp: n - 1, Home: 0, End: dots.length - 1 };
    const listeners = {
      pointerenter: () => tell(dot, told, id),
      pointerleave: untell,
      focus: () => tell(dot, told, id),
      blur: untell,
      click: () => rows.open(id),
      keydown: (event) => {
        if (event.key in steps) go((steps[event.key] + dots.length) % dots.length);
        else if (event.key === "Enter" || event.key === " ") rows.open(id);
        else return;
        event.preventDefault();
      },
    };
    dot.setAttribute("tabindex", n ? -1 : 0);
    dot.setAttribute("role", "button");
    dot.setAttribute("data-row", id);
    dot.removeAttribute("aria-roledescription");
    for (const [event, listener] of Object.entries(listeners)) dot.addEventListener(event, listener);
  });
  // the picture is a set of controls, no single image that would hide them
  for (const part of holder.querySelectorAll("[role^='graphics']")) part.setAttribute("role", "group");
}

/** Show what a point is beside it, and light up its row. */
function tell(dot, told, id) {
  untell();
  tip.textContent = told;
  tip.hidden = false;
  const box = dot.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 8) + scrollY}px`;
  at(id)?.classList.add("lit");
  dot.classList.add("lit");
}

function untell() {
  tip.hidden = true;
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
}

/** Light up the point of a row. */
function light(id) {
  for (const dot of document.querySelectorAll("[data-row]")) dot.classList.toggle("lit", dot.dataset.row === id);
}

/** Rows that have no place on the plane, and why. */
function showApart(places, set, group) {
  const lines = places.map(({ row, useful }) => {
    const utility = useful ? `${group.measure} ${range(useful[0], useful[1], useful[2], group.unit)}` : "no utility measured";
    return make("li", {}, make("strong", { text: row.label }), `: ${utility}; ${row.apart ?? "no such leakage measured"}`);
  });
  at("apart").replaceChildren(...(lines.length ? [make("h3", { text: "Not on the plane" }), make("ul", {}, ...lines)] : []));
}
