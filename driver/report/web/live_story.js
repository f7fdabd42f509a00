// What a live page knows of its run, brought up to date by what is new. Pure: tested with node.
"use strict";

const MOST = { operations: 12000, messages: 16000, states: 6000, events: 2000 };

/** A story of which nothing is known. */
function emptyStory() {
  const texts = [""];
  return {
    faults: [], outages: [], said: [], events: [], states: [], elections: [], end: 1,
    operations: { rows: [], keys: texts, names: texts, nodes: texts, count: 0 },
    messages: { rows: [], names: texts, count: 0, entries: {} },
    service: null, rates: { start: 0, bin: 1, kinds: {}, links: {} },
  };
}

/** The newest rows, at most `most`: of the older half every second goes where they are more. */
function bounded(rows, most) {
  if (rows.length <= most) return rows;
  const half = rows.length >> 1;
  return [...rows.slice(0, half).filter((_, n) => n % 2), ...rows.slice(half)];
}

/** Bins `known` ({name: values}) with those of a delta from its `from` on; names that are new begin with zeros. */
function merged(known, delta) {
  const found = {};
  for (const name of new Set([...Object.keys(known), ...Object.keys(delta.counts)])) {
    const before = (known[name] || []).slice(0, delta.from);
    while (before.length < delta.from) before.push(0);
    found[name] = before.concat(delta.counts[name] || []);
  }
  return found;
}

/** Who asked for votes in which term, and who led it, as far as roles on the wire say. */
function electionsOf(states) {
  const found = [];
  const before = {};
  for (const [t, node, term, role] of states) {
    const mark = `${role} ${term}`;
    if (before[node] === mark) continue;
    before[node] = mark;
    if (role === "candidate") found.push({ term, candidate: node, start: t, stop: null, winner: null, text: "" });
    if (role !== "leader") continue;
    const own = found.find((one) => one.term === term && one.candidate === node);
    if (own) Object.assign(own, { winner: node, stop: t });
  }
  return found;
}

/** Stretches of a second or more, after the first success, in which no operation that succeeded was called. */
function outagesOf(service) {
  const found = [];
  const good = service.counts[0];
  let last = good.findIndex((count) => count > 0);
  for (let n = last + 1; last >= 0 && n <= good.length; n++) {
    if (n < good.length && !good[n]) continue;
    const [start, stop] = [(last + 1) * service.bin, n * service.bin];
    if (stop - start >= 1) found.push({ start, stop });
    last = n;
  }
  return found;
}

/** The story with a delta of the server's (RunTail.delta) in it; a reset forgets what was known. */
function applyDelta(known, delta) {
  const story = delta.reset || !known ? emptyStory() : known;
  const texts = story.operations.names;
  texts.length = Math.min(texts.length, delta.names.from);
  for (const text of delta.names.texts) texts.push(text);
  const logIndexes = new Map(delta.patches);
  for (const row of story.operations.rows) if (logIndexes.has(row[10])) row[9] = logIndexes.get(row[10]);
  for (const row of delta.operations) if (logIndexes.has(row[10])) row[9] = logIndexes.get(row[10]);
  story.operations.rows = bounded(story.operations.rows.concat(delta.operations), MOST.operations);
  story.operations.count = delta.counts.operations;
  story.messages.rows = bounded(story.messages.rows.concat(delta.messages), MOST.messages);
  story.messages.count = delta.counts.messages;
  Object.assign(story.messages.entries, delta.entries);
  if (Object.keys(story.messages.entries).length > MOST.messages) {
    const drawn = new Set(story.messages.rows.map((row) => String(row[0])));
    story.messages.entries = Object.fromEntries(Object.entries(story.messages.entries).filter(([id]) => drawn.has(id)));
  }
  story.states = bounded(story.states.concat(delta.states), MOST.states);
  story.elections = electionsOf(story.states);
  story.said = bounded(story.said.concat(delta.events.filter((one) => one.event === "status")), MOST.events);
  story.events = bounded(story.events.concat(delta.events.filter((one) => one.event !== "status")), MOST.events);
  if (delta.faults) story.faults = delta.faults;
  if (delta.service) {
    const { from, bin } = delta.service;
    const old = story.service || { counts: [[], [], []], p50: [], p99: [] };
    const counts = merged(Object.fromEntries(["ok", "fail", "info"].map((name, n) => [name, old.counts[n]])), delta.service);
    story.service = {
      start: 0, bin, counts: [counts.ok, counts.fail, counts.info],
      p50: old.p50.slice(0, from).concat(delta.service.p50), p99: old.p99.slice(0, from).concat(delta.service.p99),
    };
  }
  if (story.service) story.outages = outagesOf(story.service);
  for (const name of ["kinds", "links"]) {
    if (!delta[name]) continue;
    if (delta[name].from === 0) story.rates[name] = {};
    story.rates[name] = merged(story.rates[name], delta[name]);
    story.rates.bin = delta[name].bin;
  }
  story.end = delta.end;
  return story;
}

if (typeof module !== "undefined") module.exports = { emptyStory, bounded, merged, electionsOf, outagesOf, applyDelta };
