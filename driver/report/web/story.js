// The report's time axis and space-time diagram. Texts of the run reach the document as textContent alone.
"use strict";
/* global Axis, treatment, messagesOf, storyRows, spaceDiagram */

let listening = null; // ends the listeners of the story shown before

function raftmonShow(story) {
  const kept = window.raftmonStory ? window.raftmonStory.kept() : null;
  if (listening) listening.abort();
  listening = new AbortController();
  const on = (target, name, act, options) => target.addEventListener(name, act, { ...options, signal: listening.signal });
  const LEFT = 118;
  const OUTCOMES = ["ok", "fail", "unknown", "anomaly"];
  const element = (id) => document.getElementById(id);
  const rowsCanvas = element("rows");
  const spaceCanvas = element("space");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ink = {};
  const readColours = () => {
    for (const name of ["ink", "faint", "line", "paper", "good", "bad", "unsure", "blue", "violet", "band"])
      ink[name] = css(`--${name}`);
  };

  readColours();

  // ------------------------------------------------------------------ data
  const operations = (story.operations || { rows: [] }).rows.slice().sort((a, b) => a[0] - b[0]);
  const names = (story.messages || { names: [] }).names;
  const messages = ((story.messages || { rows: [] }).rows || [])
    .map((m) => ({
      id: m[0], t: m[1], kind: names[m[2]], source: names[m[3]], target: names[m[4]], term: m[5], index: m[6],
      logTerm: m[7], commit: m[8], entries: m[9], first: m[10], last: m[11], reject: m[12], packet: m[13],
      verdict: names[m[14]], delivered: m[15], size: m[16], how: treatment(names[m[14]], m[15]),
    }))
    .sort((a, b) => a.t - b.t);
  const nodes = [...new Set([
    ...(story.states || []).map((row) => row[1]), ...messages.flatMap((m) => [m.source, m.target]),
    ...(story.said || []).map((row) => row.node),
  ])].filter(Boolean).sort();
  const kinds = [...new Set(messages.map((m) => m.kind))].sort();
  const first = Math.min(0, ...(story.states || []).slice(0, 1).map((row) => row[0]), messages.length ? messages[0].t : 0);
  const limits = { from: first - 0.02, span: Math.max(story.end - first, 0.1) * 1.02 + 0.04 };
  // A growing page keeps what is looked at; one that shows the whole run goes on doing so.
  let view = kept && !kept.whole ? { ...kept.view } : { ...limits };
  let chosen = null; // a message
  let operation = null; // an operation row
  let lit = new Set();

  // ------------------------------------------------------------------ rows
  const seconds = (t) => `${t.toFixed(4)} s`;

  function bands(pen, width, height) {
    for (const fault of story.faults || []) {
      const x = Axis.x(view, width, fault.start);
      const to = Axis.x(view, width, fault.stop ?? story.end);
      pen.fillStyle = ink.band;
      pen.fillRect(x, 0, Math.max(to - x, 2), height);
    }
    pen.strokeStyle = ink.unsure;
    pen.globalAlpha = 0.35;
    for (const outage of story.outages || []) { // hatched: nobody was served
      const x = Math.max(Axis.x(view, width, outage.start), -1);
      const to = Math.min(Axis.x(view, width, outage.stop), width + 1);
      if (to < x) continue;
      pen.save();
      pen.beginPath();
      pen.rect(x, 0, Math.max(to - x, 2), height);
      pen.clip();
      pen.beginPath();
      for (let from = x - height - ((x - height) % 9); from < to; from += 9) { pen.moveTo(from, height); pen.lineTo(from + height, 0); }
      pen.stroke();
      pen.restore();
    }
    pen.globalAlpha = 1;
  }

  const operationText = (o) =>
    `${story.operations.names[o[5]]} ${story.operations.keys[o[6]]} ${o[7]} (${OUTCOMES[o[2]]})\n` +
    `process ${o[3]} at ${story.operations.nodes[o[4]] || "?"}, called ${seconds(o[0])}, ` +
    `${o[1] === null ? "never answered" : `${o[1]} ms`}${o[8] ? `\n${o[8]}` : ""}${o[9] ? `\nlog index ${o[9]}` : ""}`;

  const rows = storyRows({
    story, ink, nodes, messages, operations, view: () => view, operation: () => operation, seconds, operationText,
    chooseOperation: (o) => chooseOperation(o),
  });

  // ------------------------------------------------------------------ drawing
  function pens(canvas, height) {
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    return [pen, width - LEFT];
  }

  function ticks(pen, width, height) {
    const { times, decimals } = Axis.ticks(view, Math.max(3, Math.floor(width / 110)));
    for (const time of times) {
      const x = Axis.x(view, width, time);
      pen.strokeStyle = ink.line;
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
      pen.stroke();
      pen.fillStyle = ink.faint;
      pen.fillText(`${time.toFixed(decimals)} s`, x + 3, height - 4);
    }
  }

  function drawRows() {
    const height = rows.reduce((sum, one) => sum + one.height + 6, 20);
    const [pen, width] = pens(rowsCanvas, height);
    pen.save();
    pen.translate(LEFT, 0);
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    bands(pen, width, height - 18);
    ticks(pen, width, height);
    let top = 0;
    for (const one of rows) {
      one.top = top;
      pen.save();
      pen.translate(0, top);
      pen.beginPath();
      pen.rect(0, 0, width, one.height);
      pen.clip();
      one.draw(pen, width);
      pen.restore();
      top += one.height + 6;
    }
    pen.restore();
    pen.fillStyle = ink.ink;
    for (const one of rows) {
      if (one.names) for (const [name, y] of one.names) pen.fillText(name.slice(0, 16), 2, one.top + y);
      else wrap(pen, one.title, one.top + 13);
    }
  }

  function wrap(pen, title, y) {
    let line = "";
    for (const word of title.split(" ")) {
      if (line && pen.measureText(`${line} ${word}`).width > LEFT - 8) {
        pen.fillText(line, 2, y);
        y += 13;
        line = word;
      } else line = line ? `${line} ${word}` : word;
    }
    pen.fillText(line, 2, y);
  }

  const shows = (m) => {
    const kind = element("kind").value;
    const link = element("link").value;
    const term = element("term").value.trim();
    return (!kind || m.kind === kind) && (!link || `${m.source}->${m.target}` === link) && (!term || String(m.term) === term);
  };
  let filtered = messages;
  const diagram = spaceDiagram({
    story, ink, nodes, operations, view: () => view, filtered: () => filtered, lit: () => lit, chosen: () => chosen,
    operation: () => operation, pens: (height) => pens(spaceCanvas, height), bands, ticks, LEFT,
  });
  const messageAt = diagram.messageAt;
  function drawSpace() {
    const { drawn, inView, thinned } = diagram.draw();
    element("count").textContent = `${drawn.toLocaleString("en")} of ${inView.toLocaleString("en")} messages in view drawn` +
      (thinned ? " (zoom in to see each)" : "");
  }

  let pending = false;
  function draw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      drawRows();
      drawSpace();
      element("where").textContent = `${view.from.toFixed(3)} s to ${(view.from + view.span).toFixed(3)} s`;
    });
  }

  // ------------------------------------------------------------------ choosing
  function details(title, pairs) {
    const box = element("details");
    box.replaceChildren();
    const heading = document.createElement("h3");
    heading.textContent = title;
    const list = document.createElement("dl");
    for (const [name, value] of pairs) {
      if (value === null || value === undefined || value === "") continue;
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = String(value);
      list.append(term, text);
    }
    box.append(heading, list);
  }

  function chooseMessage(m) {
    chosen = m;
    operation = null;
    lit = new Set([m.id]);
    details(`message ${m.id}: ${m.kind} ${m.source} → ${m.target}`, [
      ["time", seconds(m.t)], ["term", m.term], ["index", m.index], ["log term", m.logTerm], ["commit", m.commit],
      ["entries", m.entries ? `${m.entries} (${m.first} to ${m.last})` : 0],
      ["first entry", story.messages.entries?.[m.id]], ["rejects", m.reject ? "yes" : ""],
      ["bytes", m.size], ["packet", m.packet], ["Wireshark filter", `frame.number == ${m.packet}`],
      ["rule", m.verdict || "none: passed as it was"], ["delivered", m.delivered === 0 ? "no" : "yes"],
      ["all of it", `raftmon messages ${story.command_run || ""} --where "packet = ${m.packet}"`],
    ]);
    draw();
  }

  function chooseOperation(o) {
    operation = o;
    chosen = null;
    lit = o[9] ? messagesOf(messages, o[9], o[0]) : new Set();
    const carried = messages.filter((m) => lit.has(m.id));
    details(`operation: ${operationText(o).split("\n")[0]}`, [
      ["called", seconds(o[0])], ["latency", o[1] === null ? "never answered" : `${o[1]} ms`], ["process", o[3]],
      ["node", story.operations.nodes[o[4]]], ["error", o[8]], ["log index", o[9]],
      ["messages", carried.length ? carried.map((m) => `${seconds(m.t)} ${m.kind} ${m.source} → ${m.target} [packet ${m.packet}]`).join("\n")
        : "none of those drawn on this page carried it"],
    ]);
    draw();
  }

  // ------------------------------------------------------------------ hands
  const tip = element("tip");
  const rowAt = (y) => rows.find((one) => y >= one.top && y < one.top + one.height);
  function hover(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const [x, y, width] = [event.clientX - box.left - LEFT, event.clientY - box.top, canvas.clientWidth - LEFT];
    const t = Axis.seconds(view, width, x);
    let text = null;
    if (canvas === rowsCanvas) {
      const one = rowAt(y);
      text = one && x > 0 ? one.pick(t, y - one.top, width) : null;
    } else {
      const m = messageAt(x, y, width);
      text = m && `${m.kind} ${m.source} → ${m.target}, term ${m.term}\n${seconds(m.t)}, index ${m.index}, commit ${m.commit}, ` +
        `${m.entries} entries, packet ${m.packet}\n${m.verdict || "passed"}`;
    }
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - 380)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  }

  for (const canvas of [rowsCanvas, spaceCanvas]) {
    let drag = null;
    const width = () => canvas.clientWidth - LEFT;
    on(canvas, "wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY) && !event.altKey && !canvas.matches(":focus")) return;
      event.preventDefault();
      const x = event.clientX - canvas.getBoundingClientRect().left - LEFT;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
        view = Axis.clamp({ ...view, from: view.from + ((event.deltaX || event.deltaY) / width()) * view.span }, limits);
      else view = Axis.zoom(view, limits, width(), x, Math.exp(event.deltaY * 0.002));
      draw();
    }, { passive: false });
    on(canvas, "pointerdown", (event) => {
      drag = { x: event.clientX, from: view.from, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    on(canvas, "pointermove", (event) => {
      if (!drag) return hover(canvas, event);
      if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
      view = Axis.clamp({ ...view, from: drag.from - ((event.clientX - drag.x) / width()) * view.span }, limits);
      draw();
    });
    on(canvas, "pointerup", (event) => {
      const still = drag && !drag.moved;
      drag = null;
      if (!still) return;
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left - LEFT, event.clientY - box.top];
      if (canvas === spaceCanvas) {
        const m = messageAt(x, y, width());
        if (m) chooseMessage(m);
      } else {
        const one = rowAt(y);
        if (one?.click) one.click(Axis.seconds(view, width(), x), y - one.top, width());
      }
    });
    on(canvas, "pointerleave", () => { tip.hidden = true; });
    on(canvas, "dblclick", (event) => {
      view = Axis.zoom(view, limits, width(), event.clientX - canvas.getBoundingClientRect().left - LEFT, 0.3);
      draw();
    });
    on(canvas, "keydown", (event) => {
      const moves = { ArrowLeft: -0.15, ArrowRight: 0.15 };
      const zooms = { "+": 0.6, "=": 0.6, "-": 1.6 };
      if (event.key in moves) view = Axis.clamp({ ...view, from: view.from + moves[event.key] * view.span }, limits);
      else if (event.key in zooms) view = Axis.zoom(view, limits, width(), width() / 2, zooms[event.key]);
      else if (event.key === "0") view = { ...limits };
      else if (event.key === "n" || event.key === "p") (canvas === rowsCanvas ? nextOperation : next)(event.key === "n" ? 1 : -1);
      else if (event.key === "Escape") { lit = new Set(); chosen = operation = null; }
      else return;
      event.preventDefault();
      draw();
    });
  }

  function next(step) {
    const now = chosen ? filtered.indexOf(chosen) + step : Axis.lowerBound(filtered, (m) => m.t, view.from);
    const m = filtered[Math.min(Math.max(now, 0), filtered.length - 1)];
    if (!m) return;
    if (m.t < view.from || m.t > view.from + view.span) view = Axis.clamp({ ...view, from: m.t - view.span / 2 }, limits);
    chooseMessage(m);
  }

  function nextOperation(step) {
    const now = operation ? operations.indexOf(operation) + step : Axis.lowerBound(operations, (o) => o[0], view.from);
    const o = operations[Math.min(Math.max(now, 0), operations.length - 1)];
    if (!o) return;
    if (o[0] < view.from || o[0] > view.from + view.span) view = Axis.clamp({ ...view, from: o[0] - view.span / 2 }, limits);
    chooseOperation(o);
  }

  // ------------------------------------------------------------------ controls
  const options = (select, list) => {
    const value = select.value;
    while (select.options.length > 1) select.remove(1);
    for (const name of list) select.add(new Option(name, name));
    select.value = list.includes(value) ? value : "";
  };
  options(element("kind"), kinds);
  options(element("link"), [...new Set(messages.map((m) => `${m.source}->${m.target}`))].sort());
  for (const id of ["kind", "link", "term"])
    on(element(id), "input", () => { filtered = messages.filter(shows); draw(); });
  on(element("whole"), "click", () => { view = { ...limits }; draw(); });
  const zoomBy = (factor) => { view = Axis.zoom(view, limits, 1000, 500, factor); draw(); };
  on(element("closer"), "click", () => zoomBy(0.5));
  on(element("wider"), "click", () => zoomBy(2));
  const moments = element("moment");
  const stops = [
    ...(story.faults || []).flatMap((f) => [[`${f.name} begins`, f.start], ...(f.stop === null ? [] : [[`${f.name} heals`, f.stop]])]),
    ...(story.elections || []).map((e) => [`${e.candidate} asks for votes, term ${e.term}`, e.start]),
    ...operations.filter((o) => o[2] === 3).map((o) => ["anomaly", o[0]]),
  ].sort((a, b) => a[1] - b[1]).slice(0, 300);
  while (moments.options.length > 1) moments.remove(1);
  for (const [n, [name, time]] of stops.entries()) moments.add(new Option(`${time.toFixed(3)} s ${name}`, n));
  on(moments, "change", () => {
    const stop = stops[Number(moments.value)];
    if (stop) { view = Axis.clamp({ from: stop[1] - 0.02, span: 0.1 }, limits); draw(); }
  });
  on(window, "resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });
  on(window, "beforeprint", () => { view = { ...limits }; drawRows(); drawSpace(); });
  window.raftmonStory = { // for tests and measurements
    draw: () => { drawRows(); drawSpace(); },
    view: (given) => { if (given) view = Axis.clamp(given, limits); return { ...view }; },
    chooseMessage: (n) => chooseMessage(filtered[n]), chooseOperation: (n) => chooseOperation(operations[n]),
    counts: () => ({ operations: operations.length, messages: messages.length, nodes, lit: lit.size }),
    operations, messages, limits, chosen: () => chosen,
    kept: () => ({ view, whole: view.span >= limits.span * 0.999, chosen: chosen?.id }),
  };
  filtered = messages.filter(shows);
  const again = kept && messages.find((m) => m.id === kept.chosen);
  if (again) { chosen = again; lit = new Set([again.id]); }
  draw();
}

raftmonShow(JSON.parse(document.getElementById("story").textContent));
