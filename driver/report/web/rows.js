// The rows of the time axis but for who led (leaders.js): faults, operations, rates, logs, elections, events.
"use strict";
/* global Axis, leadersRow */

/**
 * Rows {title, height, draw(pen, width), pick(t, y, width), click?} for `page` = {story, ink, nodes, messages, operations,
 * view(), operation(), chooseOperation(o), operationText(o), seconds(t)}.
 */
function storyRows(page) {
  const { story, ink, nodes, operations, seconds } = page;
  const rows = [];
  const row = (title, height, draw, pick) => rows.push({ title, height, draw, pick });
  const hues = (n) => [ink.blue, ink.violet, ink.good, ink.unsure, ink.bad, ink.faint][n % 6];
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
        const x = Math.max(Axis.x(page.view(), width, one.start), -2);
        const to = Math.min(Axis.x(page.view(), width, one.stop), width + 2);
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

  const leaders = leadersRow(page);
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
      const start = Axis.lowerBound(operations, (o) => o[0], page.view().from - page.view().span * 0.01);
      for (let n = start; n < operations.length && operations[n][0] < page.view().from + page.view().span; n++) {
        const o = operations[n];
        const x = Axis.x(page.view(), width, o[0]);
        dot(pen, x, place(o), o[2], o === page.operation() ? 6 : 2);
      }
    }, (t, yy, width) => {
      const o = nearestOperation(t, yy, width, place);
      return o && page.operationText(o);
    });
    rows[rows.length - 1].click = (t, yy, width) => {
      const o = nearestOperation(t, yy, width, place);
      if (o) page.chooseOperation(o);
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
    const reach = (8 / width) * page.view().span;
    let best = null;
    let distance = 14;
    for (let n = Axis.lowerBound(operations, (o) => o[0], t - reach); n < operations.length && operations[n][0] <= t + reach; n++) {
      const o = operations[n];
      const away = Math.hypot(((o[0] - t) / page.view().span) * width, place(o) - yy);
      if (away < distance) { distance = away; best = o; }
    }
    return best;
  }

  const steps = (pen, width, start, bin, values, top, height, most, colour) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let pending = true;
    values.forEach((value, n) => {
      if (value === null) { pending = true; return; }
      const x = Axis.x(page.view(), width, start + (n + 0.5) * bin);
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
          const x = Axis.x(page.view(), width, one[0]);
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
            const x = Axis.x(page.view(), width, one[0]);
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
        const x = Axis.x(page.view(), width, one.start);
        if (!across(x, width)) continue;
        pen.fillStyle = one.winner ? ink.good : ink.bad;
        pen.beginPath();
        pen.moveTo(x, 3); pen.lineTo(x + 5, 12); pen.lineTo(x - 5, 12);
        pen.fill();
        pen.fillText(`${one.candidate} → ${one.term}${one.winner ? "" : " no winner"}`, x + 7, 13);
      }
    }, (t, _y, width) => {
      const near = story.elections.find((one) => Math.abs(((one.start - t) / page.view().span) * width) < 12);
      return near && `election of term ${near.term} by ${near.candidate}\n${near.text}\n` +
        (near.winner ? `${near.winner} led ${((near.stop - near.start) * 1e3).toFixed(1)} ms later` : "no winner was seen");
    });
  }

  if ((story.events || []).length) {
    row("events", 20, (pen, width) => {
      pen.fillStyle = ink.ink;
      for (const one of story.events) {
        const x = Axis.x(page.view(), width, one.t);
        if (across(x, width)) pen.fillRect(x - 1, 3, 2, 14);
      }
    }, (t, _y, width) => {
      const near = story.events.filter((one) => Math.abs(((one.t - t) / page.view().span) * width) < 5);
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
  return rows;
}

if (typeof module !== "undefined") module.exports = { storyRows };
