// Charts as Vega specifications. Colours are the style sheet's variables, so that they follow it without being drawn again.

const FONT = "system-ui, sans-serif";
const CONFIG = {
  background: null,
  axis: {
    labelColor: "var(--soft)", titleColor: "var(--ink)", tickColor: "var(--line)", domainColor: "var(--line)",
    gridColor: "var(--grid)", labelFont: FONT, titleFont: FONT, labelFontSize: 11, titleFontSize: 12,
    titleFontWeight: "normal", titlePadding: 8,
  },
  legend: { labelColor: "var(--ink)", labelFont: FONT, labelFontSize: 11, labelLimit: 220 },
  title: { color: "var(--ink)", font: FONT, fontSize: 13, fontWeight: 600, anchor: "start" },
  group: { stroke: "transparent" },
};
const LEAKS = [0, 0.5, 1, 3, 10, 30, 100];
/** Where a name may stand, the nearest places first. */
const SIDES = ["right", "left", "top-right", "bottom-right", "top-left", "bottom-left", "top", "bottom"];
const AWAY = [4, 12, 22, 34, 48];
/** Okabe and Ito's colours as the style sheet has them, and dashes for what one colour has several lines of. */
const HUES = [1, 2, 3, 4, 5, 6, 7].map((n) => `var(--hue-${n})`);
const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];

/** Draw a specification into an element; the view, when it stands there. Expressions are interpreted, not evaluated. */
async function draw(element, spec) {
  const runtime = vega.parse(spec, CONFIG, { ast: true });
  const view = new vega.View(runtime, { renderer: "svg", container: element, hover: false, expr: vega.expressionInterpreter });
  await view.runAsync();
  return view;
}

const by = (scale, field) => ({ scale, field });

/** The plane: utility to the right, leakage downwards, so that the best is at the top right. */
function planeSpec({ points, chance, title, xTitle, yTitle, better, width, height }) {
  const ends = [...points.flatMap((p) => [p.x, p.left ?? p.x, p.right ?? p.x]), ...chance.utility];
  const [low, high] = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 100];
  const barred = [["bars-across", "left"], ["bars-down", "below"]] // the label transform stumbles over marks without items
    .filter(([, end]) => points.some((p) => p[end] !== null)).map(([name]) => name);
  const pad = Math.max((high - low) * 0.07, 0.5);
  const deepest = 1.3 * Math.max(1, ...points.flatMap((p) => [p.y, p.above ?? p.y]), ...chance.leakage);
  const bars = (marked, x, y, x2, y2) => ({
    type: "rule", name: `bars-${marked}`, from: { data: marked }, interactive: false, aria: false,
    encode: { update: { x: by("x", x), y: by("y", y), x2: by("x", x2), y2: by("y", y2), stroke: { field: "colour" } } },
  });
  const line = (name, encode) => ({
    type: "rule", from: { data: name }, interactive: false, aria: false,
    encode: { update: { ...encode, stroke: { value: "var(--soft)" }, strokeDash: { value: [2, 3] } } },
  });
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    description: title,
    width, height, padding: 5, autosize: { type: "fit", contains: "padding" },
    data: [
      { name: "points", values: points },
      { name: "across", values: points.filter((p) => p.left !== null) },
      { name: "down", values: points.filter((p) => p.below !== null) },
      { name: "front", values: points.filter((p) => p.front).sort((a, b) => a.x - b.x) },
      { name: "chance-x", values: chance.utility.map((value) => ({ value })) },
      { name: "chance-y", values: chance.leakage.map((value) => ({ value })) },
    ],
    scales: [
      { name: "x", type: "linear", domain: [low - pad, high + pad], range: "width", zero: false, reverse: better === "lower" },
      { name: "y", type: "symlog", constant: 1, domain: [-0.12, deepest], range: [0, { signal: "height" }] },
    ],
    axes: [
      { orient: "bottom", scale: "x", aria: false, title: xTitle, grid: true, tickCount: Math.max(3, Math.round(width / 110)) },
      { orient: "left", scale: "y", aria: false, title: yTitle, grid: true, values: LEAKS, format: "~r" },
    ],
    marks: [
      line("chance-x", { x: by("x", "value"), y: { value: 0 }, y2: { signal: "height" } }),
      line("chance-y", { y: by("y", "value"), x: { value: 0 }, x2: { signal: "width" } }),
      {
        type: "line", from: { data: "front" }, interactive: false, aria: false,
        encode: { update: { x: by("x", "x"), y: by("y", "y"), stroke: { value: "var(--front)" }, strokeWidth: { value: 2 },
                            strokeOpacity: { value: 0.45 } } },
      },
      bars("across", "left", "y", "right", "y"),
      bars("down", "x", "below", "x", "above"),
      {
        type: "symbol", name: "dots", from: { data: "points" }, description: "Methods",
        encode: { update: {
          x: by("x", "x"), y: by("y", "y"), shape: { field: "shape" }, size: { value: 110 }, fill: { field: "fill" },
          stroke: { field: "colour" }, strokeWidth: { value: 2 }, description: { field: "told" }, cursor: { value: "pointer" },
        } },
      },
      ...(points.length ? [names(barred)] : []),
    ],
  };
}

/** Names beside the points; one without a free place is left out: focus and hover tell it. */
function names(barred) {
  return {
    type: "text", from: { data: "dots" }, interactive: false, aria: false, // from marks: the transform asks where they are
    encode: { update: { text: { field: "datum.label" }, fontSize: { value: 12 }, font: { value: FONT }, fill: { value: "var(--ink)" },
                        limit: { value: 180 } } },
    transform: [{
      type: "label", size: { signal: "[width, height]" }, avoidMarks: barred,
      anchor: AWAY.flatMap(() => SIDES), offset: AWAY.flatMap((away) => SIDES.map(() => away)),
    }],
  };
}

/** Curves of one name: a line for every set or attack (by colour) and seed (by dash). */
function curvesSpec(curves, width) {
  const [{ name, x_label, y_label }] = curves;
  const values = curves.flatMap((curve) => curve.x.map((x, n) => ({ x, y: curve.y[n], line: curve.line })));
  const positive = values.map((v) => v.x).filter((x) => x > 0);
  const wide = positive.length && Math.max(...positive) > 20 * Math.min(...positive) && !values.some((v) => v.x < 0);
  const share = values.every((v) => v.y >= 0 && v.y <= 1);
  const whole = share && values.some((v) => v.y > 0.5);
  const lines = curves.map((curve) => curve.line);
  const kinds = [...new Set(curves.map((curve) => curve.on))];
  const seeds = [...new Set(curves.map((curve) => curve.seed))];
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    description: `${name}: ${y_label} over ${x_label}; ${lines.join("; ")}`,
    title: { text: name },
    width, height: 220, padding: 5, autosize: { type: "fit-x", contains: "padding" },
    data: [{ name: "points", values: wide ? values.filter((v) => v.x > 0) : values }],
    scales: [
      { name: "x", type: wide ? "log" : "linear", domain: { data: "points", field: "x" }, range: "width", zero: false, nice: !wide },
      { name: "y", type: "linear", domain: whole ? [0, 1] : { data: "points", field: "y" }, range: "height", zero: share, nice: !whole },
      { name: "hue", type: "ordinal", domain: lines, range: curves.map((curve) => HUES[kinds.indexOf(curve.on) % HUES.length]) },
      { name: "dash", type: "ordinal", domain: lines, range: curves.map((curve) => DASHES[seeds.indexOf(curve.seed) % DASHES.length]) },
    ],
    axes: [
      { orient: "bottom", scale: "x", aria: false, title: x_label, grid: true, tickCount: 5, labelOverlap: "greedy", labelSeparation: 8, ...(wide ? { format: "~r" } : {}) },
      { orient: "left", scale: "y", aria: false, title: y_label, grid: true, tickCount: 5, format: share ? "~%" : "~r" },
    ],
    legends: lines.length > 1 || curves[0].on ? [{ stroke: "hue", strokeDash: "dash", symbolType: "stroke", orient: "bottom",
      columns: width > 420 ? 2 : 1, symbolSize: 300 }] : [],
    marks: [{
      type: "group", interactive: false, aria: false,
      from: { facet: { name: "one", data: "points", groupby: "line" } },
      marks: [{
        type: "line", from: { data: "one" }, interactive: false, aria: false,
        encode: { update: { x: by("x", "x"), y: by("y", "y"), stroke: by("hue", "line"), strokeDash: by("dash", "line"),
                            strokeWidth: { value: 1.8 } } },
      }],
    }],
  };
}
