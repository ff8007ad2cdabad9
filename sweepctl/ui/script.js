"use strict";

// Replaces the parts of the page that have changed, as the server tells of them. A page that nobody sees asks for
// nothing: its connection is closed, and opened again when it is looked at.
const main = document.querySelector("main[data-events]");
let source = null;

const replace = (id, html) => {
  const part = document.getElementById(id);
  if (part === null) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  part.innerHTML = html;
  if (focused !== null) part.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
};

// The place for it may be in a part of the page that is still to come.
let said = "";
const tell = (text) => {
  said = text;
  const place = document.getElementById("live");
  if (place !== null) place.textContent = `These pages only read. ${said}`;
};
document.addEventListener("DOMContentLoaded", () => tell(said));

const open = () => {
  source = new EventSource(main.dataset.events + location.search);
  source.addEventListener("open", () => tell("This one follows the store."));
  source.addEventListener("message", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
  });
  source.addEventListener("error", () => {
    tell(source.readyState === EventSource.CLOSED
      ? "This one gets no updates any more: load it again."
      : "The server does not answer: this one may be out of date.");
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
