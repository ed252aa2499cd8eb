// What is known of one row beyond its numbers on the board; made when the row is opened for the first time.

/** Fill an opened row: parameters, every score, scores by group, curves, stages, checks, machine, notes. */
async function showDetails(cell, row, records) {
  const section = (title, ...content) => make("section", {}, make("h3", { text: title }), ...content);
  const each = (title, found) => records.flatMap((record) => {
    const content = found(record);
    return content ? [section(records.length > 1 ? `${title}, seed ${record.seed}` : title, content)] : [];
  });
  const charts = make("div", { class: "charts" });
  const inside = make("div", { class: "inside" },
    section("Method", list(row.parameters)),
    ...each("Scores", (record) => scroll(`Scores, seed ${record.seed}`, scores(record))),
    ...each("By group", (record) => (record.groups.length ? scroll(`By group, seed ${record.seed}`, byGroup(record)) : null)),
    charts,
    make("div", { class: "columns" },
      ...each("Checks", (record) => lines(record.checks.map((c) => `${c.passed ? "passed" : "FAILED"}: ${c.name}: ${c.says}`))),
      ...each("Notes", (record) => lines([
        ...record.notes,
        ...Object.entries(record.not_run).map(([name, why]) => `${name} was not run: ${why}`),
        ...Object.entries(record.skipped).map(([role, n]) => `${n} undecodable images of ${role} were passed over`),
        `people of the training faces in the verification sets: ${record.overlap}`,
      ])),
      ...each("Quality of the fit", (record) => (Object.keys(record.quality).length ? list(record.quality) : null)),
      ...each("Stages", (record) => makeTable(["stage", "seconds", "peak memory, MiB"], [
        ...record.stages.map(([name, seconds, peak]) => [name, shown(seconds), shown(peak)]),
        ["all", shown(record.stages.reduce((sum, [, seconds]) => sum + seconds, 0)), ""],
      ], [0])),
      ...each("Judge", (record) => list(record.judge)),
      ...each("People", (record) => makeTable(["role", "people", "images"],
        Object.entries(record.roles).map(([role, r]) => [role, shown(r.identities), shown(r.images)]), [0])),
      ...each("Machine", (record) => list({ ...record.machine, record: record.name, created: record.created })),
    ));
  cell.replaceChildren(inside);
  await showCurves(charts, records);
}

function scroll(label, table) {
  return make("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, table);
}

/** Curves of one name share a chart. */
async function showCurves(charts, records) {
  const named = new Map();
  for (const record of records) {
    for (const curve of record.curves.filter((one) => one.x.length)) {
      const told = [curve.on, records.length > 1 ? `seed ${record.seed}` : ""].filter(Boolean).join(", ");
      if (!named.has(curve.name)) named.set(curve.name, []);
      named.get(curve.name).push({ ...curve, seed: record.seed, line: told });
    }
  }
  for (const curves of named.values()) {
    const chart = make("div", { class: "chart" });
    charts.append(chart);
    await draw(chart, curvesSpec(curves, Math.max(240, chart.clientWidth - 2)));
  }
}

function scores(record) {
  const rows = record.scores.map((score) => {
    const scale = score.unit === "share" ? 100 : 1;
    const unit = scale === 100 ? " %" : score.unit === "" ? "" : ` ${score.unit}`;
    const told = (value) => (value === null || value === undefined ? "-" : `${shown(scale * value)}${unit}`);
    const [low, high, level, kind] = score.interval;
    return [
      score.name, score.on, told(score.value),
      kind ? `${shown(scale * low)} to ${shown(scale * high)}` : "-", kind ? `${shown(100 * level)} % ${kind}` : "-",
      told(score.chance), shown(score.n), score.note || "-",
    ];
  });
  return makeTable(["measure", "on", "value", "interval", "kind", "chance", "n", "note"], rows, [0, 1, 4, 7]);
}

/** Groups that a table of the user's names; numbers and texts come as they are shown. */
function byGroup(record) {
  return makeTable(["by", "group", "measure", "value in %", "95 % interval", "chance", "n", "people", "note"],
    record.groups, [0, 1, 2, 4, 8]);
}

function lines(texts) {
  return texts.length ? make("ul", {}, ...texts.map((text) => make("li", { text }))) : null;
}

/** Names and values; values inside values as JSON. */
function list(values) {
  const told = (value) => (typeof value === "string" ? value : Number.isFinite(value) && !Number.isInteger(value) ? shown(value)
    : JSON.stringify(value));
  return make("dl", {}, ...Object.entries(values).flatMap(([name, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.entries(value).flatMap(([inner, v]) => [make("dt", { text: `${name} ${inner}` }), make("dd", { text: told(v) })])
      : [make("dt", { text: name }), make("dd", { text: told(value) })]));
}
