// What every working page has: the sheet of keys, `/` to search, `g` and a number to a section, Escape.
// Keys of one letter can be switched off (WCAG 2.1.4); a page's own keys ask `keysOn` as well.
const sheet = document.getElementById("keys");
const box = document.getElementById("keys-on");
const STORED = "parkgate-keys";

const remembered = (() => { try { return localStorage.getItem(STORED); } catch { return null; } })();
let on = remembered !== "off";
box.checked = on;
box.addEventListener("change", () => {
  on = box.checked;
  try { localStorage.setItem(STORED, on ? "on" : "off"); } catch { /* this page only, then */ }
});

export const keysOn = () => on;

/** Whether somebody writes: then a letter is a letter. */
export const writing = (event) => Boolean(event.target.closest?.("input:not([type=checkbox], [type=radio]), select, textarea"));

let going = 0; // until when a number after `g` leads to a section

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    const open = event.target.closest?.("details.confirm[open], details.menu[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else if (writing(event)) event.target.blur();
    return;
  }
  if (writing(event)) return;
  if (event.key === "?") sheet.togglePopover();
  else if (!on) return;
  else if (event.key === "/") (document.querySelector('[data-key="/"]') ?? document.querySelector(".filter input, .filter select"))?.focus();
  else if (event.key === "g") going = performance.now() + 1500;
  else if (/^[1-9]$/.test(event.key) && performance.now() < going) document.querySelectorAll(".bar .pages a")[event.key - 1]?.click();
  else return;
  event.preventDefault();
});

// A question that opens takes the focus to its first field; a form that came back with errors, to what is wrong.
addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.confirm[open]")) event.target.querySelector("input:not([type=hidden]), select, textarea, button")?.focus();
}, true);
(document.querySelector("[aria-invalid=true]") ?? document.getElementById("wrong"))?.focus();

// On a phone the ways to other pages scroll: where the reader is stands in sight.
for (const here of document.querySelectorAll(".pages [aria-current], .subpages [aria-current]")) {
  const way = here.parentElement;
  way.scrollLeft = here.offsetLeft - way.offsetLeft - (way.clientWidth - here.offsetWidth) / 2;
}

// A menu closes when the next thing is touched.
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

// A form that is on its way is not sent again.
addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
  // Where the answer is a file the page stays.
  setTimeout((form) => delete form.dataset.sent, 4000, event.target);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
