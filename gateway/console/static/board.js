// The lane board, kept live by one stream of server-sent events. Lanes stay where they are; only their content changes.
import { watch } from "./live.js";
import { ring } from "./sound.js";

const { words, exceptions, icons, language } = JSON.parse(document.getElementById("words").textContent);

const looks = document.getElementById("content").dataset.looks; // what a picture is called, for who may see them
const SHOT_EVERY_MS = 600;

const named = (group, key) => (key == null ? "" : words[`${group}.${key}`] ?? key);
const timeOfDay = (instant) => instant.slice(11, 19);
const yuan = (fen) =>
  `${fen < 0 ? "−" : ""}¥${Math.floor(Math.abs(fen) / 100).toLocaleString("en")}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;

// What a place shows now: only what is new is written, for whatever is written is laid out and painted again.
const shownAt = new WeakMap();

function put(place, told, made) {
  if (shownAt.get(place) === told) return;
  const fresh = made();
  // The page came with it: the first message of the stream has nothing new of most lanes.
  const stands = !shownAt.has(place) && textOf(place) === fresh.map((part) => part.textContent ?? part).join("").trim();
  shownAt.set(place, told);
  if (!stands) place.replaceChildren(...fresh);
}

const textOf = (place) => place.textContent.trim();

function mark(card, name, value) {
  if (card.dataset[name] !== value) card.dataset[name] = value;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function timeElement(instant) {
  const made = element("time", timeOfDay(instant));
  made.dateTime = instant;
  return made;
}

function icon(text, className) {
  const made = element("span", text, className);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function showLane(lane) {
  const card = document.getElementById(`lane-${lane.id}`);
  if (!card) return false;
  const part = (name) => card.querySelector(`[data-part="${name}"]`);
  mark(card, "barrier", lane.barrier);
  const away = lane.stale || !lane.online; // what it last said is shown as what it is: old
  mark(card, "stale", away ? "yes" : "no");
  mark(card, "decision", lane.last?.decision ?? "");
  const health = lane.stale ? "stale" : lane.online ? "online" : "offline";
  put(part("device"), health, () => [icon({ stale: "◌", online: "●", offline: "○" }[health]), ` ${words[health]}`]);
  put(part("barrier"), `${lane.barrier} ${away}`, () => [icon(icons[lane.barrier] ?? "?", "icon"), ` ${named("barrier", lane.barrier)} `,
    ...(away ? [element("small", words.before_away)] : [])]);
  if (lane.last) {
    put(part("plate"), `read ${lane.last.plate}`, () => [lane.last.plate ?? words.no_plate]);
    const said = [named("decision", lane.last.decision), named("reason", lane.last.reason)].filter(Boolean).join(" · ");
    put(part("decision"), `${said} ${lane.last.at}`, () => [`${said} `, timeElement(lane.last.at)]);
  } else {
    put(part("plate"), "", () => [element("span", words.no_read, "quiet")]);
    put(part("decision"), "", () => []);
  }
  if (looks) showShot(part("shot"), lane);
  return true;
}

// --- pictures: in a rush a few a second, the newest reads first, only where they are in sight; never beside another vehicle's plate

const waiting = new Map();
const inSight = new WeakSet();
const sight = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) inSight[isIntersecting ? "add" : "delete"](target);
});
let bringing;

function showShot(place, { site, last }) {
  const where = last?.pictured ? ["/api/v1/events", site, last.device, last.event].map((one, at) => (at ? encodeURIComponent(one) : one)).join("/") + "/picture" : "";
  waiting.delete(place);
  const has = place.firstElementChild?.getAttribute("href") ?? "";
  if (has === where) return;
  if (has) place.replaceChildren();
  if (!where) return;
  waiting.set(place, where);
  bringing ??= setTimeout(bringShot, 0);
}

function bringShot() {
  const next = [...waiting.keys()].findLast((place) => inSight.has(place)) ?? [...waiting.keys()].at(-1);
  bringing = undefined;
  if (!next) return;
  const way = Object.assign(element("a"), { href: waiting.get(next), target: "_blank", rel: "noopener" });
  way.append(Object.assign(new Image(88, 56), { src: `${way.href}?size=small`, alt: looks, loading: "lazy", decoding: "async" }));
  next.replaceChildren(way);
  waiting.delete(next);
  bringing = setTimeout(bringShot, SHOT_EVERY_MS);
}

// A site as people call it, where the page has it.
function placeOf({ site, lane }) {
  const name = document.getElementById(`site-${site}`)?.firstChild.textContent.trim() ?? site;
  return lane ? `${name} ${lane.split(".")[1]}` : name;
}

function showExceptions({ open, items }) {
  put(document.getElementById("exceptions-open"), open, () => [open]);
  document.getElementById("exceptions-none").hidden = open > 0;
  const list = document.getElementById("exceptions");
  const rows = [...list.children];
  const known = new Set(rows.map((row) => row.dataset.exception));
  const named = (item) => exceptions[item.kind] ?? item.kind.replaceAll("_", " ");
  const came = items.filter((item) => !known.has(item.id)).map((item) => [named(item), item.plate].filter(Boolean).join(" "));
  if (came.length) {
    document.getElementById("exceptions-news").textContent = came.join("、");
    ring();
  }
  items.forEach((item, at) => {
    const row = rows[at] ?? list.appendChild(element("li"));
    const told = JSON.stringify(item);
    if (shownAt.get(row) === told) return;
    shownAt.set(row, told);
    row.dataset.exception = item.id;
    const way = row.querySelector("a") ?? row.appendChild(element("a"));
    way.textContent = named(item);
    way.href = `/queue#item-${item.id}`;
    while (way.nextSibling) way.nextSibling.remove(); // the way itself stays: somebody may stand on it
    way.after(...(item.plate ? [" ", element("span", item.plate, "plate-text")] : []),
      ...(item.count > 1 ? [` ×${item.count}`] : []), element("br"), element("span", placeOf(item), "quiet"), " ", timeElement(item.opened_at));
  });
  rows.slice(items.length).forEach((row) => row.remove());
}

function showClock(at) {
  const clock = document.getElementById("clock");
  clock.dateTime = at;
  clock.textContent = `${at.slice(0, 10)} ${timeOfDay(at)}`;
}

function show(board) {
  if (board.at) showClock(board.at);
  // A lane or a site that this page does not have: the estate has changed, and the page is made anew.
  const fits = (board.lanes ?? []).map(showLane).every(Boolean);
  if (!fits || board.all) return location.reload();
  for (const site of board.sites ?? []) {
    const place = document.querySelector(`[data-inside="${CSS.escape(site.id)}"]`);
    if (place) put(place, site.inside, () => [site.inside]);
  }
  if (board.exceptions) showExceptions(board.exceptions);
  if (board.money) put(document.getElementById("received"), board.money.received_fen, () => [yuan(board.money.received_fen)]);
}

function connection(state) {
  document.getElementById("connection").dataset.state = state;
  document.getElementById("content").dataset.connection = state; // while it is lost, every lane looks old
  document.getElementById("lost").hidden = state !== "lost";
  document.getElementById("connection-word").textContent = state === "live" ? `· ${words.live}` : state === "connecting" ? `· ${words.connecting}` : "";
}

document.documentElement.lang = language;
if (looks) document.querySelectorAll('[data-part="shot"]').forEach((place) => sight.observe(place));
watch(show, connection);
