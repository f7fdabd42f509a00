// The space-time diagram: nodes and clients as lines, messages as arrows.
"use strict";
/* global Axis */

/**
 * {draw() -> {drawn, inView, thinned}, messageAt(x, y, width)} for `page` = {story, ink, nodes, operations, view(), filtered()
 * (the messages shown), lit() (ids), chosen(), operation(), pens(height), bands, ticks, LEFT}.
 */
function spaceDiagram(page) {
  const { ink, nodes, operations, LEFT } = page;
  const LANE = 46;
  const STYLES = { passed: [], changed: [8, 2], delayed: [6, 4], held: [2, 3], dropped: [], forged: [10, 3, 2, 3] };
  const colourOf = (m) => ({ dropped: ink.bad, forged: ink.violet, held: ink.unsure, delayed: ink.unsure, changed: ink.violet })[m.how] ||
    (/Vote/.test(m.kind) ? ink.good : /App|Prop|Snap/.test(m.kind) ? ink.blue : ink.faint);
  const lane = (node) => nodes.indexOf(node) * LANE + 20;
  const slant = (m) => (m.how === "delayed" || m.how === "held" ? 26 : 10);

  function draw() {
    const clients = operations.length ? 1 : 0;
    const height = nodes.length * LANE + 30 + clients * 30;
    const [pen, width] = page.pens(height);
    pen.fillStyle = ink.ink;
    for (const node of nodes) pen.fillText(node, 2, lane(node) + 4);
    if (clients) pen.fillText("clients", 2, nodes.length * LANE + 16);
    pen.save();
    pen.translate(LEFT, 0);
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    page.bands(pen, width, height - 18);
    page.ticks(pen, width, height);
    pen.strokeStyle = ink.ink;
    for (const node of nodes) {
      pen.beginPath();
      pen.moveTo(0, lane(node));
      pen.lineTo(width, lane(node));
      pen.stroke();
    }
    const from = Axis.lowerBound(page.filtered(), (m) => m.t, page.view().from - page.view().span * 0.03);
    const to = Axis.lowerBound(page.filtered(), (m) => m.t, page.view().from + page.view().span);
    const step = Math.max(1, Math.ceil((to - from) / 3000));
    const labels = to - from < 25;
    let drawn = 0;
    for (let n = from; n < to; n++) {
      const m = page.filtered()[n];
      const odd = m.how !== "passed" || /Vote|Snap|Timeout/.test(m.kind);
      if (!page.lit().has(m.id) && n % step && !(odd && (step < 4 || n % Math.ceil(step / 4) === 0))) continue;
      arrow(pen, width, m, labels);
      drawn++;
    }
    if (clients) {
      const y = nodes.length * LANE + 12;
      const start = Axis.lowerBound(operations, (o) => o[0], page.view().from - page.view().span * 0.1);
      const end = Axis.lowerBound(operations, (o) => o[0], page.view().from + page.view().span);
      const each = Math.max(1, Math.ceil((end - start) / 1500));
      for (let n = start; n < end; n += each) {
        const o = operations[n];
        const x = Axis.x(page.view(), width, o[0]);
        const wide = Math.max(2, o[1] === null ? 8 : Axis.x(page.view(), width, o[0] + o[1] / 1e3) - x);
        pen.fillStyle = [ink.blue, ink.unsure, ink.violet, ink.bad][o[2]];
        pen.fillRect(x, y + (o[3] % 5) * 3, wide, o === page.operation() ? 6 : 2);
      }
    }
    pen.restore();
    return { drawn, inView: to - from, thinned: step > 1 };
  }

  function arrow(pen, width, m, labels) {
    const x = Axis.x(page.view(), width, m.t);
    const y = lane(m.source);
    const endY = lane(m.target);
    if (!m.source || !m.target) return;
    const share = m.how === "dropped" ? 0.55 : 1;
    const toX = x + slant(m) * share;
    const toY = y + (endY - y) * share;
    const bright = page.lit().has(m.id) || m === page.chosen();
    pen.globalAlpha = page.lit().size && !bright ? 0.15 : 0.85;
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
    if (labels && (bright || !page.lit().size)) pen.fillText(`${m.kind} ${m.term}`, (x + toX) / 2 + 3, (y + toY) / 2);
  }

  function messageAt(x, y, width) {
    let best = null;
    let distance = 7;
    const from = Axis.lowerBound(page.filtered(), (m) => m.t, Axis.seconds(page.view(), width, x - 40));
    for (let n = from; n < page.filtered().length && page.filtered()[n].t < Axis.seconds(page.view(), width, x + 8); n++) {
      const m = page.filtered()[n];
      const [top, bottom] = [lane(m.source), lane(m.target)];
      const share = (y - top) / (bottom - top);
      if (!(share >= -0.05 && share <= 1.05)) continue;
      const away = Math.abs(Axis.x(page.view(), width, m.t) + slant(m) * share - x);
      if (away < distance) { distance = away; best = m; }
    }
    return best;
  }

  return { draw, messageAt };
}

if (typeof module !== "undefined") module.exports = { spaceDiagram };
