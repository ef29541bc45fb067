// The lane board, kept live by one stream of server-sent events. Lanes stay where they are; only their content changes.
import { watch } from "./live.js";

const { words, exceptions, icons, language } = JSON.parse(document.getElementById("words").textContent);

const named = (group, key) => (key == null ? "" : words[`${group}.${key}`] ?? key);
const timeOfDay = (instant) => instant.slice(11, 19);
const yuan = (fen) =>
  `${fen < 0 ? "−" : ""}¥${Math.floor(Math.abs(fen) / 100).toLocaleString("en")}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;

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
  card.dataset.barrier = lane.barrier;
  const away = lane.stale || !lane.online; // what it last said is shown as what it is: old
  card.dataset.stale = away ? "yes" : "no";
  card.dataset.decision = lane.last?.decision ?? "";
  const health = lane.stale ? "stale" : lane.online ? "online" : "offline";
  part("device").replaceChildren(icon({ stale: "◌", online: "●", offline: "○" }[health]), ` ${words[health]}`);
  part("barrier").replaceChildren(icon(icons[lane.barrier] ?? "?", "icon"), ` ${named("barrier", lane.barrier)} `,
    ...(away ? [element("small", words.before_away)] : []));
  if (lane.last) {
    part("plate").replaceChildren(lane.last.plate ?? words.no_plate);
    const said = [named("decision", lane.last.decision), named("reason", lane.last.reason)].filter(Boolean).join(" · ");
    part("decision").replaceChildren(`${said} `, timeElement(lane.last.at));
  } else {
    part("plate").replaceChildren(element("span", words.no_read, "quiet"));
    part("decision").replaceChildren();
  }
  return true;
}

function showExceptions({ open, items }) {
  document.getElementById("exceptions-open").textContent = open;
  document.getElementById("exceptions-none").hidden = open > 0;
  const list = document.getElementById("exceptions");
  const known = new Map([...list.children].map((item) => [item.dataset.exception, item]));
  const wanted = items.map((item) => {
    const row = known.get(item.id) ?? element("li");
    row.dataset.exception = item.id;
    const text = [` ${item.lane ?? item.site} `, element("span", item.subject, "subject")];
    if (item.count > 1) text.push(` ×${item.count}`);
    const way = element("a", exceptions[item.kind] ?? item.kind.replaceAll("_", " "));
    way.href = `/queue#item-${item.id}`;
    row.replaceChildren(way, ...text, " ", timeElement(item.opened_at));
    return row;
  });
  list.replaceChildren(...wanted);
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
    if (place) place.textContent = site.inside;
  }
  if (board.exceptions) showExceptions(board.exceptions);
  if (board.money) document.getElementById("received").textContent = yuan(board.money.received_fen);
}

function connection(state) {
  document.getElementById("connection").dataset.state = state;
  document.getElementById("content").dataset.connection = state; // while it is lost, every lane looks old
  document.getElementById("lost").hidden = state !== "lost";
  document.getElementById("connection-word").textContent = state === "live" ? `· ${words.live}` : state === "connecting" ? `· ${words.connecting}` : "";
}

document.documentElement.lang = language;
watch(show, connection);
