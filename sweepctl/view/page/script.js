"use strict";

// Shows one panel at a time; without scripts, and in print, all are visible.
const panels = document.querySelectorAll("article[data-metric]");
const choose = (name) => panels.forEach((panel) => { panel.hidden = panel.dataset.metric !== name; });
document.querySelectorAll("input[name=metric]").forEach((input) => {
  input.addEventListener("change", () => choose(input.value));
  if (input.checked) choose(input.value);
});

// A heading's button sorts its table: ascending first, then descending. Missing values come last.
const value = (row, place) => row.cells[place].textContent;
const number = (text) => Number.parseFloat(text.replaceAll(",", ""));
const order = (heading) => {
  const place = heading.cellIndex;
  const sign = heading.ariaSort === "descending" ? -1 : 1;
  if (!heading.classList.contains("n")) {
    return (a, b) => sign * value(a, place).localeCompare(value(b, place), "en", { numeric: true });
  }
  return (a, b) => {
    const [x, y] = [number(value(a, place)), number(value(b, place))];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  };
};
document.querySelectorAll("th > button").forEach((button) => {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const next = heading.ariaSort === "ascending" ? "descending" : "ascending";
    heading.parentElement.querySelectorAll("th").forEach((other) => { other.ariaSort = "none"; });
    heading.ariaSort = next;
    const body = heading.closest("table").tBodies[0];
    body.append(...[...body.rows].sort(order(heading)));
  });
});
