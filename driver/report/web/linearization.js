// The linearization page: operations as bars on one canvas. Texts of the run reach the document as textContent alone.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const [PROCESS, KEY, CALL, RETURN, OUTCOME, TEXT, ORDER, POINT, FLAGS] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const rows = data.rows;
const canvas = document.getElementById("canvas"), pen = canvas.getContext("2d"), tip = document.getElementById("tip");
const keyChoice = document.getElementById("key"), groupChoice = document.getElementById("group");
const ROW = 20, LEFT = 130, TOP = 22, NAMES = ["ink", "faint", "line", "paper", "bad", "unsure", "blue", "violet", "band"];
const ink = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) ink[name] = style.getPropertyValue(`--${name}`).trim();
}
readColours();
let end = 1;
for (const row of rows) end = Math.max(end, row[CALL], row[RETURN]);
data.keys.forEach((name, number) => {
  if (data.keys.length < 2000) keyChoice.add(new Option(name === "" ? "(none)" : name, number));
});
let lanes = [], order = [], view = { from: 0, span: end * 1.02, top: 0 }, hovered = null, pending = false;

// A lane is one line of bars, sorted by call; of overlapping ones by key each gets a line of its own.
function build() {
  const chosen = Number(keyChoice.value), byKey = groupChoice.value === "key", groups = new Map();
  for (const row of rows) {
    if (chosen >= 0 && row[KEY] !== chosen) continue;
    const group = byKey ? row[KEY] : row[PROCESS];
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(row);
  }
  lanes = []; order = [];
  // what cannot be linearized stands on top
  const flagged = new Map([...groups].map(([group, members]) => [group, members.some(row => row[FLAGS]) ? 0 : 1]));
  for (const group of [...groups.keys()].sort((a, b) => flagged.get(a) - flagged.get(b) || a - b)) {
    const mine = [], members = groups.get(group).sort((a, b) => a[CALL] - b[CALL]);
    for (const row of members) {
      let lane = mine.find(one => one.end < row[CALL]);
      if (!lane) {
        lane = { name: mine.length ? "" : byKey ? (data.keys[group] || "(no key)") : `process ${group}`, items: [], calls: [], longest: 0, end: -1 };
        mine.push(lane);
      }
      const stop = row[RETURN] < 0 ? row[CALL] + end / 20 : row[RETURN];
      lane.items.push(row); lane.calls.push(row[CALL]); lane.end = byKey ? stop : row[CALL] - 1;
      lane.longest = Math.max(lane.longest, (row[RETURN] < 0 ? row[CALL] : row[RETURN]) - row[CALL]);
      row.lane = lanes.length + mine.indexOf(lane);
    }
    lanes.push(...mine);
  }
  const byOrder = new Map();
  for (const lane of lanes) for (const row of lane.items) if (row[ORDER] >= 0) {
    if (!byOrder.has(row[KEY])) byOrder.set(row[KEY], []);
    byOrder.get(row[KEY]).push(row);
  }
  for (const line of byOrder.values()) order.push(line.sort((a, b) => a[ORDER] - b[ORDER]));
  view.top = Math.max(0, Math.min(view.top, lanes.length * ROW - 40));
  document.getElementById("stage").style.height = `${Math.min(Math.max(lanes.length * ROW + TOP + 20, 140), window.innerHeight * 0.62)}px`;
  draw();
}
function lower(calls, time) {
  let low = 0, high = calls.length;
  while (low < high) { const middle = (low + high) >> 1; if (calls[middle] < time) low = middle + 1; else high = middle; }
  return low;
}
const width = () => canvas.clientWidth, height = () => canvas.clientHeight;
const x = time => LEFT + (time - view.from) / view.span * (width() - LEFT);
const y = lane => TOP + lane * ROW - view.top;
function draw() { if (!pending) { pending = true; requestAnimationFrame(paint); } }
function paint() {
  pending = false;
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width() * scale) || canvas.height !== Math.round(height() * scale)) {
    canvas.width = Math.round(width() * scale); canvas.height = Math.round(height() * scale);
  }
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width(), height());
  const first = Math.max(0, Math.floor(view.top / ROW)), last = Math.min(lanes.length, first + Math.ceil(height() / ROW) + 1);
  axis();
  pen.save(); pen.beginPath(); pen.rect(LEFT, TOP, width() - LEFT, height() - TOP); pen.clip();
  for (let lane = first; lane < last; lane++) bars(lane);
  if (document.getElementById("lines").checked) path();
  broken();
  pen.restore();
  pen.fillStyle = ink.ink; pen.font = "12px system-ui, sans-serif"; pen.textBaseline = "middle";
  for (let lane = first; lane < last; lane++) if (y(lane) >= TOP - 4) pen.fillText(lanes[lane].name, 6, y(lane) + ROW / 2, LEFT - 12);
}
function axis() {
  let step = 1;
  for (let n = 0; step * (width() - LEFT) / view.span < 90; n++) step = [1, 2, 5][n % 3] * 10 ** Math.floor(n / 3);
  pen.font = "11px system-ui, sans-serif"; pen.textBaseline = "middle";
  for (let time = Math.ceil(view.from / step) * step; time < view.from + view.span; time += step) {
    pen.fillStyle = ink.line; pen.fillRect(x(time), TOP, 1, height()); pen.fillStyle = ink.faint; pen.fillText(span(time), x(time) + 2, TOP / 2);
  }
}
function span(ns) {
  if (Math.abs(ns) < 1e3) return `${Math.round(ns)} ns`;
  if (Math.abs(ns) < 1e6) return `${+(ns / 1e3).toPrecision(6)} µs`;
  if (Math.abs(ns) < 1e9) return `${+(ns / 1e6).toPrecision(7)} ms`;
  return `${+(ns / 1e9).toPrecision(9)} s`;
}
function bars(number) {
  const lane = lanes[number], top = y(number) + 3, tall = ROW - 6, until = view.from + view.span;
  let painted = -1;
  for (let place = lower(lane.calls, view.from - lane.longest); place < lane.items.length; place++) {
    const row = lane.items[place];
    if (row[CALL] > until) break;
    const left = x(row[CALL]), open = row[RETURN] < 0, right = open ? Math.min(width(), left + 60) : x(row[RETURN]);
    if (right < LEFT || (row[FLAGS] === 0 && right <= painted)) continue; // nothing new within this pixel
    const wide = Math.max(right - left, 1);
    painted = Math.max(painted, Math.ceil(left + wide));
    const flagged = row[FLAGS] & 1 || row[FLAGS] & 2, hollow = row[OUTCOME] === 1 && !flagged;
    pen.fillStyle = pen.strokeStyle = row[FLAGS] & 1 ? ink.bad : row[FLAGS] & 2 ? ink.unsure : row[OUTCOME] === 2 ? ink.violet : ink.blue;
    if (open) { const fade = pen.createLinearGradient(left, 0, right, 0); fade.addColorStop(0, pen.fillStyle); fade.addColorStop(1, "transparent"); pen.fillStyle = fade; }
    if (hollow) { pen.lineWidth = 1; pen.strokeRect(left + 0.5, top + 0.5, Math.max(wide - 1, 1), tall - 1); }
    else pen.fillRect(left, top, wide, tall);
    if (row[FLAGS] & 1) { pen.fillRect(left, top - 3, wide, 2); pen.fillRect(left, top + tall + 1, wide, 2); } // colour is never the only sign
    if (row === hovered || row === chosen) { pen.strokeStyle = ink.ink; pen.lineWidth = 2; pen.strokeRect(left - 1, top - 1, wide + 2, tall + 2); }
    if (wide > 34) {
      pen.save(); pen.beginPath(); pen.rect(Math.max(left, LEFT), top, wide - (left < LEFT ? LEFT - left : 0), tall); pen.clip();
      pen.fillStyle = open || hollow ? ink.ink : ink.paper; pen.font = "11px ui-monospace, monospace"; pen.textBaseline = "middle";
      pen.fillText(row[TEXT].replace(/ @[^@]*$/, ""), Math.max(left, LEFT) + 4, top + tall / 2); pen.restore();
    }
  }
}
function path() {
  for (const line of order) {
    let place = 0, high = line.length; // points never go back along an order
    while (place < high) { const middle = (place + high) >> 1; if (line[middle][POINT] < view.from) place = middle + 1; else high = middle; }
    const first = Math.max(0, place - 1), points = [];
    for (let n = first; n < line.length && points.length < 4000; n++) {
      const px = x(line[n][POINT]), before = points[points.length - 1];
      if (!before || px - before[0] >= 1 || line[n].lane !== before[2]) points.push([px, y(line[n].lane) + ROW / 2, line[n].lane]);
      if (px > width()) break;
    }
    if (points.length < 1000) {
      pen.strokeStyle = ink.faint; pen.lineWidth = 1; pen.beginPath();
      for (const [n, [px, py]] of points.entries()) { if (n) pen.lineTo(px, py); else pen.moveTo(px, py); }
      pen.stroke();
    }
    pen.fillStyle = ink.ink;
    for (const [px, py] of points) pen.fillRect(px - 1.5, py - 1.5, 3, 3);
  }
}
function broken() {
  if (data.break_ns === null) return;
  const px = x(data.break_ns);
  pen.fillStyle = ink.band; pen.fillRect(px, TOP, Math.max(0, width() - px), height());
  pen.fillStyle = ink.bad; pen.fillRect(px - 1, TOP, 2, height());
}
function at(event) {
  const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  const lane = lanes[Math.floor((py - TOP + view.top) / ROW)];
  if (!lane || px < LEFT || py < TOP) return null;
  const near = view.span / (width() - LEFT) * 3, time = view.from + (px - LEFT) / (width() - LEFT) * view.span;
  let best = null;
  for (let place = lower(lane.calls, time - lane.longest - near); place < lane.items.length && lane.calls[place] <= time + near; place++) {
    const row = lane.items[place], stop = row[RETURN] < 0 ? row[CALL] + 60 * near / 3 : row[RETURN];
    if (stop >= time - near && (!best || row[FLAGS] >= best[FLAGS])) best = row;
  }
  return best;
}
let drag = null, chosen = null;
canvas.addEventListener("pointerdown", event => { drag = { x: event.clientX, y: event.clientY, from: view.from, top: view.top, moved: false }; canvas.setPointerCapture(event.pointerId); });
canvas.addEventListener("pointerup", event => {
  const still = drag && !drag.moved;
  drag = null;
  const row = still ? at(event) : null;
  if (row) choose(row);
});
canvas.addEventListener("pointermove", event => {
  if (drag) {
    if (Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y) > 3) drag.moved = true;
    view.from = drag.from - (event.clientX - drag.x) / (width() - LEFT) * view.span;
    view.top = Math.max(0, Math.min(lanes.length * ROW - 40, drag.top - (event.clientY - drag.y)));
    return draw();
  }
  const row = at(event);
  if (row !== hovered) { hovered = row; draw(); }
  tip.hidden = !row;
  if (!row) return;
  tip.textContent = described(row).join("\n");
  tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - 380)}px`; tip.style.top = `${event.clientY + 14}px`;
});
function described(row) {
  const how = ["ok", "failed (certainly did not happen)", "unknown"][row[OUTCOME]], took = row[RETURN] < 0 ? "never returned" : span(row[RETURN] - row[CALL]);
  const lines = [`process ${row[PROCESS]}: ${row[TEXT]}`, `${how}, from ${span(row[CALL])}, ${took}`];
  if (row[ORDER] >= 0) lines.push(`number ${row[ORDER] + 1} in the order of its key`);
  if (row[FLAGS] & 1) lines.push("part of the anomaly");
  if (row[FLAGS] & 2) lines.push("one of those that had to come next, and none could");
  return lines;
}
function choose(row) {
  chosen = row;
  const box = document.getElementById("details");
  box.replaceChildren(...described(row).map(line => { const part = document.createElement("p"); part.textContent = line; return part; }));
  draw();
}
function show(row) {
  const took = Math.max(row[RETURN], row[CALL]) - row[CALL];
  view.span = Math.min(view.span, Math.max(took * 12, end / 1e6, 10)); view.from = row[CALL] + took / 2 - view.span / 2;
  view.top = Math.max(0, Math.min((row.lane || 0) * ROW - height() / 3, lanes.length * ROW - 40));
  choose(row);
}
function neighbour(step) {
  const near = rows.filter(row => !chosen || row[KEY] === chosen[KEY]).sort((a, b) => a[CALL] - b[CALL]);
  const place = chosen ? near.indexOf(chosen) + step : near.findIndex(row => row[CALL] >= view.from);
  if (near[place]) show(near[place]);
}
canvas.addEventListener("pointerleave", () => { tip.hidden = true; if (hovered) { hovered = null; draw(); } });
function zoom(factor, px) {
  const time = view.from + (px - LEFT) / (width() - LEFT) * view.span, wanted = Math.max(10, Math.min(end * 4, view.span * factor));
  view.from = time - (time - view.from) * wanted / view.span; view.span = wanted; draw();
}
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  if (event.shiftKey) { view.top = Math.max(0, Math.min(lanes.length * ROW - 40, view.top + (event.deltaY || event.deltaX))); return draw(); }
  zoom(Math.exp(event.deltaY * 0.0015), event.clientX - canvas.getBoundingClientRect().left);
}, { passive: false });
canvas.addEventListener("keydown", event => {
  const step = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
  if (step) view.from += step * view.span;
  else if (event.key === "ArrowUp") view.top = Math.max(0, view.top - ROW);
  else if (event.key === "ArrowDown") view.top = Math.max(0, Math.min(lanes.length * ROW - 40, view.top + ROW));
  else if (event.key === "+" || event.key === "=") return zoom(0.8, width() / 2);
  else if (event.key === "-") return zoom(1.25, width() / 2);
  else if (event.key === "0") return fit();
  else if (event.key === "n" || event.key === "p") return neighbour(event.key === "n" ? 1 : -1);
  else if (event.key === "Escape") chosen = null;
  else return;
  event.preventDefault(); draw();
});
function fit() { view.from = -end * 0.01; view.span = end * 1.02; view.top = 0; draw(); }
function goToBreak() {
  const bad = rows.filter(row => row[FLAGS] & 1), stuck = rows.filter(row => row[FLAGS] & 2), shown = bad.length ? bad : stuck;
  if (!shown.length && data.break_ns === null) return;
  const times = shown.flatMap(row => [row[CALL], Math.max(row[RETURN], row[CALL])]);
  if (data.break_ns !== null) times.push(data.break_ns);
  const low = times.reduce((a, b) => Math.min(a, b), Infinity), high = times.reduce((a, b) => Math.max(a, b), -Infinity);
  view.span = Math.max(high - low, end / 1e6, 10) * 1.4; view.from = low - view.span * 0.14;
  const lane = shown.length ? shown[0].lane || 0 : 0;
  view.top = Math.max(0, Math.min(lane * ROW - height() / 3, lanes.length * ROW - 40)); draw();
}
document.getElementById("fit").onclick = fit;
document.getElementById("break").onclick = goToBreak;
document.getElementById("lines").onchange = draw;
keyChoice.onchange = build; groupChoice.onchange = build;
window.addEventListener("resize", draw);
window.addEventListener("beforeprint", () => { fit(); paint(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });
// The anomaly's operations come first, each a button that goes to its bar.
function listAnomaly() {
  const mine = rows.filter(row => row[FLAGS] & 1).sort((a, b) => a[CALL] - b[CALL]), section = document.getElementById("anomaly");
  section.hidden = mine.length === 0;
  section.querySelector("ol").append(...mine.slice(0, 60).map(row => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button"; button.onclick = () => { show(row); canvas.focus(); };
    button.textContent = `${row[TEXT]}   process ${row[PROCESS]}, ${span(row[CALL])} to ${row[RETURN] < 0 ? "unknown" : span(row[RETURN])}`;
    item.append(button);
    return item;
  }));
}
listAnomaly();
if (data.break_ns === null && !rows.some(row => row[FLAGS])) document.getElementById("break").disabled = true;
if (data.keys.length > 1 && data.keys.length <= 200) groupChoice.value = "key";
build(); fit();
if (location.hash === "#break" || (location.hash !== "#whole" && rows.some(row => row[FLAGS]))) goToBreak();
if (location.hash === "#frames") { // the page measures itself: 120 views, each painted to its last pixel
  const spent = [];
  for (let frame = 0; frame < 120; frame++) {
    const start = performance.now();
    view.span = end * (0.02 + 0.98 * Math.abs(Math.cos(frame / 20))); view.from = end * 0.3 * Math.abs(Math.sin(frame / 20));
    paint(); pen.getImageData(0, 0, 1, 1); spent.push(performance.now() - start);
  }
  spent.sort((a, b) => a - b); document.body.dataset.frames = `median ${spent[60].toFixed(1)} ms, worst ${spent[119].toFixed(1)} ms`; fit();
}
