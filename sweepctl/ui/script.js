"use strict";

// Replaces the parts of the page that have changed, as the server tells of them. A page that nobody sees asks for
// nothing: its connection is closed, and opened again when it is looked at.
const main = document.querySelector("main[data-events]");
let source = null;

// What finds an element again in its part, once that is replaced.
const selector = (element) => ["id", "href", "aria-label"]
  .filter((name) => element.hasAttribute(name))
  .map((name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`)[0];

const replace = (id, html) => {
  const part = document.getElementById(id);
  if (part === null) return;
  const focused = part.contains(document.activeElement) ? selector(document.activeElement) : undefined;
  const scrolled = [...part.querySelectorAll(".scroll")].map((each) => [selector(each), each.scrollLeft, each.scrollTop]);
  part.innerHTML = html;
  for (const [place, left, top] of scrolled) part.querySelector(place)?.scrollTo(left, top);
  if (focused !== undefined) part.querySelector(focused)?.focus({ preventScroll: true });
};

// The place for it may be in a part of the page that is still to come.
let said = "";
const tell = (text) => {
  said = text;
  const place = document.getElementById("live");
  if (place !== null) place.textContent = `Read-only. ${said}`;
};
document.addEventListener("DOMContentLoaded", () => tell(said));

const open = () => {
  source = new EventSource(main.dataset.events + location.search);
  source.addEventListener("open", () => tell("Updating."));
  source.addEventListener("message", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
  });
  source.addEventListener("error", () => {
    tell(source.readyState === EventSource.CLOSED
      ? "Updates have stopped: reload the page."
      : "The server does not answer: this page may be out of date.");
  });
};

const follow = () => {
  if (document.hidden && source !== null) {
    source.close();
    source = null;
  } else if (!document.hidden && source === null) {
    open();
  }
};

if (main !== null) {
  document.addEventListener("visibilitychange", follow);
  follow();
}
