import { keysOn, writing } from "./frame.js";

// Keys for whoever works through a list: everything they do can be done with a pointer as well.
const items = [...document.querySelectorAll("#items > .item")];
let at = -1;

function go(step) {
  if (!items.length) return;
  at = Math.min(Math.max(at + step, 0), items.length - 1);
  items[at].focus();
  items[at].scrollIntoView({ block: "nearest" });
}

const within = (key) => (items[at] ?? items[0])?.querySelector(`[data-key="${key}"]`);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || writing(event) || !keysOn()) return;
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.key === "c") within("c")?.click();
  else if (event.key === "r") within("r")?.focus();
  else return;
  event.preventDefault();
});
