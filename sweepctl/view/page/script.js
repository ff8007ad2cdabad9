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

// Draws any metric by any dimension: an axis carries the places of all points along it, two digits of base 36 each.
document.querySelectorAll(".explore").forEach((figure) => {
  const controls = figure.previousElementSibling;
  const [metric, dimension] = controls.querySelectorAll("select");
  const { x, y, width, height } = figure.querySelector(".none").getBBox();
  const places = (kind, { selectedIndex }) => {
    const axes = [...figure.querySelectorAll(`.${kind}`)];
    axes.forEach((axis, place) => { axis.classList.toggle("off", place !== selectedIndex); });
    return axes[selectedIndex].dataset.places.match(/../g).map((digits) => Number.parseInt(digits, 36) / 1295);
  };
  const draw = () => {
    const [across, up] = [places("across", dimension), places("up", metric)];
    const dots = across.map((left, place) => (Number.isNaN(left + up[place]) ? ""
      : `M${(x + left * width).toFixed(1)} ${(y + height - up[place] * height).toFixed(1)}h0`));
    figure.querySelector(".dots").setAttribute("d", dots.join(""));
    const name = [metric, dimension].map((select) => select.selectedOptions[0].text).join(" by ");
    figure.querySelector("figcaption").textContent = name;
    figure.querySelector("svg").setAttribute("aria-label", name);
  };
  controls.hidden = false;
  controls.addEventListener("change", draw);
  draw();
});
