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

// Two buttons save each figure as it is shown, under its name: as SVG with its own styles, and as PNG of double size.
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity",
  "font-family", "font-size", "text-anchor", "dominant-baseline", "paint-order"];
const NAMED = 26; // pixels above a saved figure, for its name
const paper = () => getComputedStyle(document.body).backgroundColor;

const standalone = (svg, name, width, height) => {
  const copy = svg.cloneNode(true);
  const drawn = [...svg.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((shape, place) => {
    if (drawn[place].matches(".off")) shape.remove();
    const style = getComputedStyle(drawn[place]);
    if (shape.localName === "title") return;
    const sizes = { rect: ["width", "height"], circle: ["r"] }[shape.localName] ?? [];
    [...STYLES, ...sizes].forEach((key) => { shape.setAttribute(key, style.getPropertyValue(key)); });
    ["class", "data-places"].forEach((key) => { shape.removeAttribute(key); });
  });
  Object.entries({ viewBox: `0 ${-NAMED} ${width} ${height}`, width, height })
    .forEach(([key, value]) => { copy.setAttribute(key, value); });
  const part = (tag, attributes) => {
    const made = document.createElementNS(svg.namespaceURI, tag);
    Object.entries(attributes).forEach(([key, value]) => { made.setAttribute(key, value); });
    return made;
  };
  const { fontFamily, color } = getComputedStyle(document.body);
  const heading = part("text", { x: 8, y: 13 - NAMED, "font-family": fontFamily, "font-size": 12, fill: color,
    "dominant-baseline": "middle" });
  heading.textContent = name;
  copy.prepend(part("rect", { y: -NAMED, width, height, fill: paper() }), heading);
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
};

// Shape by shape: the page's policy lets no image in, not even one of its own.
const painted = (svg, name, width, height) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
  const pen = canvas.getContext("2d");
  const { fontFamily, color } = getComputedStyle(document.body);
  pen.scale(2, 2);
  Object.assign(pen, { fillStyle: paper(), textBaseline: "middle", font: `12px ${fontFamily}` });
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = color;
  pen.fillText(name, 8, 13);
  pen.translate(0, NAMED);
  const from = svg.getScreenCTM().inverse();
  svg.querySelectorAll("rect, circle, path, text").forEach((shape) => {
    if (shape.closest(".off")) return;
    const style = getComputedStyle(shape);
    const to = from.multiply(shape.getScreenCTM());
    const { x, y, width: wide, height: high } = shape.getBBox();
    pen.globalAlpha = getComputedStyle(shape.parentElement).opacity;
    Object.assign(pen, {
      fillStyle: style.fill, strokeStyle: style.stroke, lineWidth: Number.parseFloat(style.strokeWidth),
      lineCap: style.strokeLinecap, lineJoin: style.strokeLinejoin, font: `${style.fontSize} ${style.fontFamily}`,
      textAlign: { middle: "center" }[style.textAnchor] ?? style.textAnchor,
    });
    pen.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(", ").map(Number.parseFloat));
    if (shape.localName === "text") {
      const at = new DOMPoint(shape.getAttribute("x"), shape.getAttribute("y") ?? 0).matrixTransform(to);
      if (style.stroke !== "none") pen.strokeText(shape.textContent, at.x, at.y);
      pen.fillText(shape.textContent, at.x, at.y);
      return;
    }
    const outline = new Path2D(shape.getAttribute("d") ?? "");
    if (shape.localName === "rect") outline.rect(x, y, wide, high);
    if (shape.localName === "circle") outline.arc(x + wide / 2, y + high / 2, wide / 2, 0, 7);
    const placed = new Path2D();
    placed.addPath(outline, to);
    if (style.fill !== "none") pen.fill(placed);
    if (style.stroke !== "none") pen.stroke(placed);
  });
  return new Promise((done) => { canvas.toBlob(done); });
};

const save = async (svg, kind, make) => {
  const name = svg.getAttribute("aria-label");
  const { width, height } = svg.viewBox.baseVal;
  const blob = await make(svg, name, Math.max(width, 16 + 7 * name.length), height + NAMED);
  const file = `${document.querySelector("h1").textContent} ${name}`.replace(/[^\p{L}\p{N}._]+/gu, "-").slice(0, 120);
  const href = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href, download: `${file}.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
};
document.querySelectorAll("svg[role=img]").forEach((svg) => {
  const buttons = Object.entries({ svg: standalone, png: painted }).map(([kind, make]) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: kind.toUpperCase(), title: `Save as ${kind.toUpperCase()}` });
    button.addEventListener("click", () => save(svg, kind, make));
    return button;
  });
  const row = Object.assign(document.createElement("div"), { className: "save" });
  row.append(...buttons);
  svg.after(row);
});
