// Pure parts of the report's pictures: no document, no drawing. Tested with node (tests/driver/report/test_web.py).
"use strict";

const Axis = {
  /** Seconds -> pixels for a view {from, span} over `width` pixels. */
  x(view, width, seconds) {
    return ((seconds - view.from) / view.span) * width;
  },

  /** Pixels -> seconds. */
  seconds(view, width, x) {
    return view.from + (x / width) * view.span;
  },

  /** The view zoomed by `factor` (below 1: closer) so that the time under pixel `x` stays there; within the limits. */
  zoom(view, limits, width, x, factor) {
    const span = Math.min(Math.max(view.span * factor, 1e-5), limits.span);
    const fixed = Axis.seconds(view, width, x);
    return Axis.clamp({ from: fixed - (x / width) * span, span }, limits);
  },

  /** The view moved so that nothing outside of the limits shows. */
  clamp(view, limits) {
    const span = Math.min(view.span, limits.span);
    const from = Math.min(Math.max(view.from, limits.from), limits.from + limits.span - span);
    return { from, span };
  },

  /** Times of about `count` round ticks in the view, with the number of decimals that tells them apart. */
  ticks(view, count) {
    const raw = view.span / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((base) => base * power).find((one) => one >= raw * 0.999);
    const found = [];
    for (let n = Math.ceil(view.from / step); n * step <= view.from + view.span; n++) found.push(n * step);
    return { times: found, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  },

  /** The first place in `rows`, sorted by `time(row)`, that is not before `seconds`. */
  lowerBound(rows, time, seconds) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (time(rows[middle]) < seconds) low = middle + 1;
      else high = middle;
    }
    return low;
  },

  /** Stretches of one value: rows [time, value] in order -> [{from, to, value}]. */
  stretches(rows, end) {
    const found = [];
    for (const [time, value] of rows) {
      const last = found[found.length - 1];
      if (last && last.value === value) continue;
      if (last) last.to = time;
      found.push({ from: time, to: end, value });
    }
    return found;
  },
};

/** How a message was treated, from its verdict and whether it was delivered. */
function treatment(verdict, delivered) {
  const words = String(verdict || "").toLowerCase();
  if (/forge|inject|replay|deliver/.test(words)) return "forged";
  if (/hold|held/.test(words)) return "held";
  if (/delay/.test(words)) return "delayed";
  if (/drop/.test(words) || delivered === 0) return "dropped";
  return words && words !== "accept" ? "changed" : "passed";
}

/**
 * The messages that carried one operation to its commit: proposals and appends with its log index, the first
 * acknowledgement of it from each node, and the first message that tells each node of its commit.
 * `list` holds {id, t, kind, source, target, index, commit, first, last, reject}, in the order of time.
 */
function messagesOf(list, logIndex, callSeconds) {
  const found = new Set();
  const acknowledged = new Set();
  const told = new Set();
  for (const one of list) {
    if (one.t < callSeconds - 0.5) continue;
    const carries = one.first !== null && one.first <= logIndex && logIndex <= one.last;
    if (carries && /App|Snap/.test(one.kind) && !/Resp/.test(one.kind)) found.add(one.id);
    if (found.size === 0) continue;
    if (/AppResp/.test(one.kind) && !one.reject && one.index >= logIndex && !acknowledged.has(one.source)) {
      acknowledged.add(one.source);
      found.add(one.id);
    }
    if (!/Resp/.test(one.kind) && one.commit >= logIndex && !told.has(one.target)) {
      told.add(one.target);
      found.add(one.id);
    }
    if (one.t > callSeconds + 1) break; // what catches a node up later is another story
  }
  return found;
}

if (typeof module !== "undefined") module.exports = { Axis, treatment, messagesOf };
