// The row of the time axis that shows who led: a lane a node with its roles and terms, votes asked for as arrows.
"use strict";
/* global Axis */

/** Where a node that led stopped leading: {t, term it had, term it was told of}, from its stretches of "role term". */
function stepDowns(stretches) {
  const found = [];
  for (let n = 1; n < stretches.length; n++) {
    const [role, term] = stretches[n - 1].value.split(" ");
    const [next, told] = stretches[n].value.split(" ");
    if (role === "leader" && next !== "leader" && Number(told) > Number(term))
      found.push({ t: stretches[n].from, term: Number(term), told: Number(told) });
  }
  return found;
}

/** Requests for votes that stand for all of their kind: one a candidate, target, term and fate. */
function votesAsked(messages) {
  const seen = new Set();
  return messages.filter((m) => {
    if (!/Vote/.test(m.kind) || /Resp/.test(m.kind) || !m.source || !m.target) return false;
    const mark = `${m.kind} ${m.source} ${m.target} ${m.term} ${m.how === "dropped"}`;
    if (seen.has(mark)) return false;
    seen.add(mark);
    return true;
  });
}

/** The row, for `page` = {story, nodes, messages, ink, view()}; null where no node's state is known. */
function leadersRow(page) {
  const LANE = 46;
  const { story, ink } = page;
  const lanes = page.nodes.map((node) => {
    const states = (story.states || []).filter((one) => one[1] === node);
    const wire = Axis.stretches(states.map((one) => [one[0], `${one[3]} ${one[2]}`]), story.end);
    return { node, states, wire, said: (story.said || []).filter((one) => one.node === node), downs: stepDowns(wire) };
  }).filter((lane) => lane.states.length || lane.said.length);
  if (!lanes.length) return null;
  const votes = votesAsked(page.messages);
  const at = (node) => lanes.findIndex((lane) => lane.node === node) * LANE + 10;
  const SHORT = { leader: "L", candidate: "C", "pre-candidate": "P", precandidate: "P", follower: "", superseded: "" };

  function bars(pen, width, lane, top) {
    for (const one of lane.wire) {
      const [told, term] = one.value.split(" ");
      const role = told === "superseded" ? "follower" : told; // another leads: it may be down or cut off
      const x = Math.max(Axis.x(page.view(), width, one.from), -1);
      const to = Math.min(Axis.x(page.view(), width, one.to), width + 1);
      if (to < 0 || x > width) continue;
      pen.fillStyle = role === "leader" ? ink.good : role === "follower" ? ink.line : ink.unsure;
      pen.fillRect(x, top, Math.max(to - x, 1.5), 17);
      if (role !== "follower" && x > 0) { // a new term begins: seen where many follow each other
        pen.fillStyle = ink.paper;
        pen.fillRect(x, top, 1.5, 17);
      }
      const words = to - x > 150 ? ({ leader: "leads term ", candidate: "candidate, term ", follower: "term " })[role] : null;
      if (to - x > 16) {
        pen.fillStyle = role === "follower" ? ink.ink : ink.paper;
        pen.fillText(`${words ?? (SHORT[role] ? `${SHORT[role]} ` : SHORT[role] === "" ? "" : `${role} `)}${term}`, x + 4, top + 13);
      }
    }
  }

  function said(pen, width, lane, top) {
    let until = -Infinity;
    for (const one of lane.said) {
      const x = Axis.x(page.view(), width, one.t);
      if (x < -50 || x > width + 50) continue;
      pen.fillStyle = one.role === "leader" ? ink.good : one.role === "silent" ? ink.bad : ink.faint;
      pen.fillRect(x - 1, top + 19, 2, 9);
      const text = one.role === "silent" ? "silent" : `says ${one.role} ${one.term ?? ""}`;
      if (x < until) continue;
      pen.fillText(text, x + 4, top + 28);
      until = x + pen.measureText(text).width + 10;
    }
  }

  function vote(pen, width, m) {
    const x = Axis.x(page.view(), width, m.t);
    if (x < -20 || x > width + 20 || at(m.source) < 0 || at(m.target) < 0) return;
    const down = at(m.target) > at(m.source);
    const y = at(m.source) + (down ? 17 : 0);
    const lost = m.how === "dropped";
    const end = at(m.target) + (down ? 0 : 17);
    const toY = lost ? y + (end - y) * 0.6 : end;
    pen.strokeStyle = pen.fillStyle = lost ? ink.bad : ink.violet;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x, toY);
    pen.stroke();
    pen.beginPath();
    if (lost) {
      pen.moveTo(x - 4, toY - 4); pen.lineTo(x + 4, toY + 4); pen.moveTo(x + 4, toY - 4); pen.lineTo(x - 4, toY + 4);
      pen.stroke();
    } else {
      const way = down ? -7 : 7;
      pen.moveTo(x, toY); pen.lineTo(x - 4, toY + way); pen.lineTo(x + 4, toY + way);
      pen.fill();
    }
    pen.lineWidth = 1;
  }

  function fallen(pen, width, lane, top) {
    for (const one of lane.downs) {
      const x = Axis.x(page.view(), width, one.t);
      if (x < -20 || x > width + 20) continue;
      pen.strokeStyle = pen.fillStyle = ink.bad;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(x, top - 3); pen.lineTo(x, top + 20);
      pen.stroke();
      pen.lineWidth = 1;
      pen.fillText(`▼ steps down: told of term ${one.told}`, x + 5, top - 1);
    }
  }

  return {
    title: "who led (upper: wire, lower: said)",
    height: lanes.length * LANE + 4,
    names: lanes.map((lane) => [lane.node, at(lane.node) + 13]),
    draw(pen, width) {
      for (const lane of lanes) bars(pen, width, lane, at(lane.node));
      for (const m of votes) vote(pen, width, m);
      for (const lane of lanes) {
        said(pen, width, lane, at(lane.node));
        fallen(pen, width, lane, at(lane.node));
      }
    },
    pick(t, y, width) {
      const near = votes.find((m) => {
        const span = [at(m.source), at(m.target)].sort((a, b) => a - b);
        return Math.abs(((m.t - t) / page.view().span) * width) < 5 && y > span[0] + 17 && y < span[1];
      });
      if (near) return `${near.source} asks ${near.target} for its vote in term ${near.term} (${near.kind})\n${near.t.toFixed(4)} s, ${near.verdict || "delivered"}`;
      const lane = lanes[Math.floor((y - 4) / LANE)];
      if (!lane) return null;
      const one = lane.wire.find((each) => each.from <= t && t < each.to);
      const log = lane.states.filter((each) => each[0] <= t).pop();
      const heard = lane.said.filter((each) => each.t <= t).pop();
      return `${lane.node} at ${t.toFixed(4)} s\nwire: ${one ? one.value : "nothing seen"}${log ? `, commit ${log[4]}, match ${log[5]}` : ""}` +
        `\nsaid: ${heard ? `${heard.role} ${heard.term ?? ""} (${heard.t.toFixed(4)} s)` : "nothing"}`;
    },
  };
}

if (typeof module !== "undefined") module.exports = { stepDowns, votesAsked, leadersRow };
