// An emergency that is declared or ended while a page is open: said at the foot of it, so that nothing moves, and with a sound for who has asked for it.
import { watchEmergencies } from "./live.js";
import { ring } from "./sound.js";

const TONES = 5;
const place = document.getElementById("alarm-now");
const { at, stands, over, look, close } = place.dataset;
const above = document.getElementById("alarm"); // what the page came with
const came = JSON.parse(place.dataset.standing);
const named = (list) => list.map((one) => `${one.site} ${one.declared_at}`).join(" ");
let known = came;

function element(name, text, more = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...more });
}

function since({ name, declared_at }) {
  const time = element("time", `${declared_at.slice(0, 10)} ${declared_at.slice(11, 19)}`, { dateTime: declared_at });
  return [` ${name} `, time];
}

function strip(words, kind, more) {
  const said = element("p", "", { className: `notice ${kind} alarm` });
  said.append(element("strong", words), ...more);
  if (look) said.append(" ", element("a", look, { href: "/emergencies" })); // for who may look at it
  return said;
}

function show({ at: then, emergencies }) {
  // Said before this page was made: it knows better.
  if (Date.parse(then) < Date.parse(at) || named(emergencies) === named(known)) return;
  const before = new Set(known.map((one) => one.site));
  const now = new Set(emergencies.map((one) => one.site));
  const ended = known.filter((one) => !now.has(one.site));
  if (emergencies.some((one) => !before.has(one.site))) ring(TONES);
  known = emergencies;
  const asItCame = named(known) === named(came);
  if (above) above.style.visibility = asItCame ? "" : "hidden"; // its place stays
  const said = [];
  if (!asItCame && known.length) said.push(strip(stands, "bad", known.flatMap(since)));
  if (ended.length) {
    const told = strip(over, "good", [` ${ended.map((one) => one.name).join(" · ")}`]);
    const away = element("button", close, { type: "button", onclick: () => told.remove() });
    told.append(" ", away);
    said.push(told);
  }
  place.replaceChildren(...said);
}

watchEmergencies(show);
