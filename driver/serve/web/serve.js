// The table of runs: a search box that hides what does not match, and columns that sort.
"use strict";

/** Whether every word of the search occurs in the text. */
function matches(text, search) {
  const low = text.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}

/** Order of two cells: as numbers where both are numbers. */
function order(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
}

function start(document) {
  const table = document.getElementById("runs");
  const search = document.getElementById("search");
  if (!table || !search) return;
  const body = table.tBodies[0];
  const shown = document.getElementById("shown");
  const texts = new Map(Array.from(body.rows, (row) => [row, row.textContent]));
  search.addEventListener("input", () => {
    let count = 0;
    for (const [row, text] of texts) {
      row.hidden = !matches(text, search.value.trim());
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} runs`;
  });
  table.tHead.querySelectorAll("button").forEach((button, at) => {
    let direction = 1;
    button.addEventListener("click", () => {
      const cell = (row) => row.cells[at + 1].textContent.trim();
      const rows = Array.from(body.rows).sort((a, b) => direction * order(cell(a), cell(b)));
      body.append(...rows);
      button.closest("th").setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      direction = -direction;
    });
  });
}

if (typeof document !== "undefined") start(document);
if (typeof module !== "undefined") module.exports = { matches, order };
