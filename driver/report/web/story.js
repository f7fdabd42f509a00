// The report's time axis and space-time diagram. Texts of the run reach the document as textContent alone.
"use strict";
/* global Axis, treatment, messagesOf, leadersRow */

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
  const hues = (n) => [ink.blue, ink.violet, ink.good, ink.unsure, ink.bad, ink.faint][n % 6];
  const first = Math.min(0, ...(story.states || []).slice(0, 1).map((row) => row[0]), messages.length ? messages[0].t : 0);
  const limits = { from: first - 0.02, span: Math.max(story.end - first, 0.1) * 1.02 + 0.04 };
  // A growing page keeps what is looked at; one that shows the whole run goes on doing so.
  let view = kept && !kept.whole ? { ...kept.view } : { ...limits };
  let chosen = null; // a message
  let operation = null; // an operation row
  let lit = new Set();

  // ------------------------------------------------------------------ rows
  const rows = [];
  const row = (title, height, draw, pick) => rows.push({ title, height, draw, pick });
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

  const across = (x, width) => x > -50 && x < width + 50;

  if ((story.faults || []).length || (story.outages || []).length) {
    const list = [
      ...(story.faults || []).map((f) => ({ ...f, stop: f.stop ?? story.end, fault: true })),
      ...(story.outages || []).map((o) => ({ ...o, name: "outage", did: "no operation succeeded", receipt: "" })),
    ];
    const lanes = [...new Set(list.map((one) => one.name))].slice(0, 8);
    row("faults, outages", 18 * lanes.length + 4, (pen, width) => {
      for (const one of list) {
        const lane = lanes.indexOf(one.name);
        if (lane < 0) continue;
        const x = Math.max(Axis.x(view, width, one.start), -2);
        const to = Math.min(Axis.x(view, width, one.stop), width + 2);
        if (to < 0 || x > width) continue;
        pen.fillStyle = one.fault ? ink.bad : ink.unsure;
        pen.fillRect(x, lane * 18 + 2, Math.max(to - x, 2), 14);
        pen.fillStyle = ink.paper;
        const label = `${one.name}${one.receipt ? ` (${one.receipt})` : ""} ${one.did || ""}`;
        pen.save();
        pen.beginPath();
        pen.rect(x, lane * 18, to - x, 18);
        pen.clip();
        pen.fillText(label, x + 4, lane * 18 + 13);
        pen.restore();
      }
    }, (t, y) => {
      const one = list.find((each) => lanes.indexOf(each.name) === Math.floor((y - 2) / 18) && each.start <= t && t <= each.stop);
      return one && `${one.name}: ${seconds(one.start)} to ${seconds(one.stop)}\n${one.did || ""}\n${one.receipt ? `receipt: ${one.receipt}` : ""}`;
    });
  }

  const leaders = leadersRow({ story, nodes, messages, ink, view: () => view });
  if (leaders) rows.push(leaders);

  if (operations.length) {
    const highest = Math.log10(Math.max(10, ...operations.map((o) => o[1] || 0)));
    const lowest = -1;
    const y = (ms) => 124 - ((Math.log10(Math.max(ms, 0.1)) - lowest) / (highest - lowest)) * 112;
    const place = (o) => (o[1] === null ? 8 : y(o[1]));
    row("latency (ms), a dot an operation", 132, (pen, width) => {
      for (let power = 0; power <= highest; power++) {
        pen.strokeStyle = ink.line;
        pen.beginPath();
        pen.moveTo(0, y(10 ** power));
        pen.lineTo(width, y(10 ** power));
        pen.stroke();
        pen.fillStyle = ink.faint;
        pen.fillText(`${10 ** power} ms`, 2, y(10 ** power) - 2);
      }
      const start = Axis.lowerBound(operations, (o) => o[0], view.from - view.span * 0.01);
      for (let n = start; n < operations.length && operations[n][0] < view.from + view.span; n++) {
        const o = operations[n];
        const x = Axis.x(view, width, o[0]);
        dot(pen, x, place(o), o[2], o === operation ? 6 : 2);
      }
    }, (t, yy, width) => {
      const o = nearestOperation(t, yy, width, place);
      return o && operationText(o);
    });
    rows[rows.length - 1].click = (t, yy, width) => {
      const o = nearestOperation(t, yy, width, place);
      if (o) chooseOperation(o);
    };
  }

  function dot(pen, x, y, code, size) {
    pen.fillStyle = pen.strokeStyle = [ink.blue, ink.unsure, ink.violet, ink.bad][code];
    if (code === 0) pen.fillRect(x - size / 2, y - size / 2, size, size);
    else if (code === 1) pen.strokeRect(x - 1.5, y - 1.5, 3, 3); // hollow: refused
    else if (code === 2) { // a cross: nobody knows
      pen.beginPath();
      pen.moveTo(x - 3, y - 3); pen.lineTo(x + 3, y + 3); pen.moveTo(x + 3, y - 3); pen.lineTo(x - 3, y + 3);
      pen.stroke();
    } else { // a triangle: part of an anomaly
      pen.beginPath();
      pen.moveTo(x, y - 6); pen.lineTo(x + 6, y + 5); pen.lineTo(x - 6, y + 5);
      pen.fill();
    }
  }

  function nearestOperation(t, yy, width, place) {
    const reach = (8 / width) * view.span;
    let best = null;
    let distance = 14;
    for (let n = Axis.lowerBound(operations, (o) => o[0], t - reach); n < operations.length && operations[n][0] <= t + reach; n++) {
      const o = operations[n];
      const away = Math.hypot(((o[0] - t) / view.span) * width, place(o) - yy);
      if (away < distance) { distance = away; best = o; }
    }
    return best;
  }

  const operationText = (o) =>
    `${story.operations.names[o[5]]} ${story.operations.keys[o[6]]} ${o[7]} (${OUTCOMES[o[2]]})\n` +
    `process ${o[3]} at ${story.operations.nodes[o[4]] || "?"}, called ${seconds(o[0])}, ` +
    `${o[1] === null ? "never answered" : `${o[1]} ms`}${o[8] ? `\n${o[8]}` : ""}${o[9] ? `\nlog index ${o[9]}` : ""}`;

  const steps = (pen, width, start, bin, values, top, height, most, colour) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let pending = true;
    values.forEach((value, n) => {
      if (value === null) { pending = true; return; }
      const x = Axis.x(view, width, start + (n + 0.5) * bin);
      const y = top + height - (value / most) * height;
      if (pending) pen.moveTo(x, y); else pen.lineTo(x, y);
      pending = false;
    });
    pen.stroke();
    pen.lineWidth = 1;
  };

  function lines(title, height, start, bin, series, unit) {
    const most = Math.max(1e-9, ...series.flatMap((one) => one.values.map((value) => value ?? 0)));
    row(title, height, (pen, width) => {
      series.forEach((one, n) => {
        pen.setLineDash(n % 3 === 1 ? [5, 3] : n % 3 === 2 ? [2, 2] : []);
        steps(pen, width, start, bin, one.values, 14, height - 18, most, one.colour || hues(n));
      });
      pen.setLineDash([]);
      pen.fillStyle = ink.faint;
      const limit = `${Number(most.toPrecision(3))} ${unit}  `;
      pen.fillText(limit, 2, 11);
      let place = 2 + pen.measureText(limit).width;
      series.slice(0, 8).forEach((one, n) => { // the legend
        pen.fillStyle = one.colour || hues(n);
        const label = `${["—", "- -", "···"][n % 3]} ${one.name.slice(0, 24)}  `;
        pen.fillText(label, place, 11);
        place += pen.measureText(label).width;
      });
    }, (t) => {
      const n = Math.floor((t - start) / bin);
      const told = series.filter((one) => one.values[n]).map((one) => `${one.name}: ${Number(one.values[n].toPrecision(4))} ${unit}`);
      return told.length ? `${seconds(t)}\n${told.slice(0, 12).join("\n")}` : null;
    });
  }

  const service = story.service;
  if (service) {
    const each = (code) => service.counts[code].map((count) => count / service.bin);
    lines("operations/s", 60, service.start, service.bin, [
      { name: "ok", values: each(0) }, { name: "fail", values: each(1) }, { name: "unknown", values: each(2) }], "/s");
    lines("p50, p99", 50, service.start, service.bin, [{ name: "p50", values: service.p50 }, { name: "p99", values: service.p99 }], "ms");
  }

  if ((story.states || []).length) {
    const terms = story.states.map((one) => one[2]);
    const top = Math.max(...terms);
    row("term", 60, (pen, width) => {
      nodes.forEach((node, n) => {
        pen.strokeStyle = hues(n);
        pen.lineWidth = 2;
        pen.setLineDash([[], [6, 3], [2, 2]][n % 3]);
        pen.beginPath();
        let before = null;
        for (const one of story.states) {
          if (one[1] !== node) continue;
          const x = Axis.x(view, width, one[0]);
          const y = 54 - (one[2] / top) * 38 + n * 2;
          if (before === null) pen.moveTo(x, y);
          else { pen.lineTo(x, before); pen.lineTo(x, y); }
          before = y;
        }
        if (before !== null) pen.lineTo(width, before);
        pen.stroke();
        if (before !== null) { pen.fillStyle = hues(n); pen.fillText(node, width - 20 - 22 * (nodes.length - n), before - 5); }
      });
      pen.setLineDash([]);
      pen.lineWidth = 1;
      pen.fillStyle = ink.faint;
      pen.fillText(`term ${top}`, 2, 10);
    }, (t) => nodes.map((node) => {
      const last = story.states.filter((one) => one[1] === node && one[0] <= t).pop();
      return last ? `${node}: term ${last[2]}` : null;
    }).filter(Boolean).join("\n"));
    const indexTop = Math.max(1, ...story.states.map((one) => Math.max(one[4], one[5])));
    row("match, commit (dashed)", 60, (pen, width) => {
      nodes.forEach((node, n) => {
        for (const [field, dash] of [[5, []], [4, [4, 3]]]) {
          pen.strokeStyle = hues(n);
          pen.setLineDash(dash);
          pen.beginPath();
          let began = false;
          for (const one of story.states) {
            if (one[1] !== node) continue;
            const x = Axis.x(view, width, one[0]);
            const y = 56 - (one[field] / indexTop) * 50;
            if (began) pen.lineTo(x, y); else pen.moveTo(x, y);
            began = true;
          }
          pen.stroke();
        }
      });
      pen.setLineDash([]);
      pen.fillStyle = ink.faint;
      pen.fillText(`index ${indexTop}`, 2, 10);
    }, (t) => nodes.map((node) => {
      const last = story.states.filter((one) => one[1] === node && one[0] <= t).pop();
      return last ? `${node}: match ${last[5]}, commit ${last[4]}` : null;
    }).filter(Boolean).join("\n"));
  }

  if ((story.elections || []).length) {
    row("elections", 24, (pen, width) => {
      for (const one of story.elections) {
        const x = Axis.x(view, width, one.start);
        if (!across(x, width)) continue;
        pen.fillStyle = one.winner ? ink.good : ink.bad;
        pen.beginPath();
        pen.moveTo(x, 3); pen.lineTo(x + 5, 12); pen.lineTo(x - 5, 12);
        pen.fill();
        pen.fillText(`${one.candidate} → ${one.term}${one.winner ? "" : " no winner"}`, x + 7, 13);
      }
    }, (t, _y, width) => {
      const near = story.elections.find((one) => Math.abs(((one.start - t) / view.span) * width) < 12);
      return near && `election of term ${near.term} by ${near.candidate}\n${near.text}\n` +
        (near.winner ? `${near.winner} led ${((near.stop - near.start) * 1e3).toFixed(1)} ms later` : "no winner was seen");
    });
  }

  if ((story.events || []).length) {
    row("events", 20, (pen, width) => {
      pen.fillStyle = ink.ink;
      for (const one of story.events) {
        const x = Axis.x(view, width, one.t);
        if (across(x, width)) pen.fillRect(x - 1, 3, 2, 14);
      }
    }, (t, _y, width) => {
      const near = story.events.filter((one) => Math.abs(((one.t - t) / view.span) * width) < 5);
      return near.length ? near.slice(0, 6).map((one) => `${seconds(one.t)} ${one.event} ${one.node} ${one.text}`).join("\n") : null;
    });
  }

  const rates = story.rates || {};
  for (const [title, table] of [["messages/s, by kind", rates.kinds], ["messages/s, by link", rates.links]]) {
    if (!table || !Object.keys(table).length) continue;
    const series = Object.entries(table).map(([name, values]) => ({ name, values: values.map((v) => v / rates.bin) }));
    series.sort((a, b) => Math.max(...b.values) - Math.max(...a.values));
    lines(title, 64, rates.start, rates.bin, series.slice(0, 12), "/s");
  }

  // ------------------------------------------------------------------ drawing
  const LANE = 46;
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
  const STYLES = { passed: [], changed: [8, 2], delayed: [6, 4], held: [2, 3], dropped: [], forged: [10, 3, 2, 3] };
  const colourOf = (m) => ({ dropped: ink.bad, forged: ink.violet, held: ink.unsure, delayed: ink.unsure, changed: ink.violet })[m.how] ||
    (/Vote/.test(m.kind) ? ink.good : /App|Prop|Snap/.test(m.kind) ? ink.blue : ink.faint);
  const lane = (node) => nodes.indexOf(node) * LANE + 20;
  const slant = (m) => (m.how === "delayed" || m.how === "held" ? 26 : 10);

  function drawSpace() {
    const clients = operations.length ? 1 : 0;
    const height = nodes.length * LANE + 30 + clients * 30;
    const [pen, width] = pens(spaceCanvas, height);
    pen.fillStyle = ink.ink;
    for (const node of nodes) pen.fillText(node, 2, lane(node) + 4);
    if (clients) pen.fillText("clients", 2, nodes.length * LANE + 16);
    pen.save();
    pen.translate(LEFT, 0);
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    bands(pen, width, height - 18);
    ticks(pen, width, height);
    pen.strokeStyle = ink.ink;
    for (const node of nodes) {
      pen.beginPath();
      pen.moveTo(0, lane(node));
      pen.lineTo(width, lane(node));
      pen.stroke();
    }
    const from = Axis.lowerBound(filtered, (m) => m.t, view.from - view.span * 0.03);
    const to = Axis.lowerBound(filtered, (m) => m.t, view.from + view.span);
    const step = Math.max(1, Math.ceil((to - from) / 3000));
    const labels = to - from < 25;
    let drawn = 0;
    for (let n = from; n < to; n++) {
      const m = filtered[n];
      const odd = m.how !== "passed" || /Vote|Snap|Timeout/.test(m.kind);
      if (!lit.has(m.id) && n % step && !(odd && (step < 4 || n % Math.ceil(step / 4) === 0))) continue;
      arrow(pen, width, m, labels);
      drawn++;
    }
    if (clients) {
      const y = nodes.length * LANE + 12;
      const start = Axis.lowerBound(operations, (o) => o[0], view.from - view.span * 0.1);
      const end = Axis.lowerBound(operations, (o) => o[0], view.from + view.span);
      const each = Math.max(1, Math.ceil((end - start) / 1500));
      for (let n = start; n < end; n += each) {
        const o = operations[n];
        const x = Axis.x(view, width, o[0]);
        const wide = Math.max(2, o[1] === null ? 8 : Axis.x(view, width, o[0] + o[1] / 1e3) - x);
        pen.fillStyle = [ink.blue, ink.unsure, ink.violet, ink.bad][o[2]];
        pen.fillRect(x, y + (o[3] % 5) * 3, wide, o === operation ? 6 : 2);
      }
    }
    pen.restore();
    element("count").textContent = `${drawn.toLocaleString("en")} of ${(to - from).toLocaleString("en")} messages in view drawn` +
      (step > 1 ? " (zoom in to see each)" : "");
  }

  function arrow(pen, width, m, labels) {
    const x = Axis.x(view, width, m.t);
    const y = lane(m.source);
    const endY = lane(m.target);
    if (!m.source || !m.target) return;
    const share = m.how === "dropped" ? 0.55 : 1;
    const toX = x + slant(m) * share;
    const toY = y + (endY - y) * share;
    const bright = lit.has(m.id) || m === chosen;
    pen.globalAlpha = lit.size && !bright ? 0.15 : 0.85;
    pen.strokeStyle = pen.fillStyle = colourOf(m);
    pen.lineWidth = bright ? 3 : 1;
    pen.setLineDash(STYLES[m.how]);
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
    pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    if (m.how === "dropped") {
      pen.moveTo(toX - 3, toY - 3); pen.lineTo(toX + 3, toY + 3); pen.moveTo(toX + 3, toY - 3); pen.lineTo(toX - 3, toY + 3);
      pen.stroke();
    } else {
      const way = Math.sign(endY - y);
      pen.moveTo(toX, toY); pen.lineTo(toX - 4, toY - way * 6); pen.lineTo(toX + 3, toY - way * 6);
      pen.fill();
    }
    pen.lineWidth = 1;
    pen.globalAlpha = 1;
    if (labels && (bright || !lit.size)) pen.fillText(`${m.kind} ${m.term}`, (x + toX) / 2 + 3, (y + toY) / 2);
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

  function messageAt(x, y, width) {
    let best = null;
    let distance = 7;
    const from = Axis.lowerBound(filtered, (m) => m.t, Axis.seconds(view, width, x - 40));
    for (let n = from; n < filtered.length && filtered[n].t < Axis.seconds(view, width, x + 8); n++) {
      const m = filtered[n];
      const [top, bottom] = [lane(m.source), lane(m.target)];
      const share = (y - top) / (bottom - top);
      if (!(share >= -0.05 && share <= 1.05)) continue;
      const away = Math.abs(Axis.x(view, width, m.t) + slant(m) * share - x);
      if (away < distance) { distance = away; best = m; }
    }
    return best;
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
      else if (event.key === "n" || event.key === "p") next(event.key === "n" ? 1 : -1);
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
