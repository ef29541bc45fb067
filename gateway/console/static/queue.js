import { follow } from "./follow.js";
import { keysOn, writing } from "./frame.js";
import { watch } from "./live.js";
import { ring } from "./sound.js";

// The queue: kept up to date by the live stream, and worked through by keys. Everything can be done with a pointer as well.
const list = document.getElementById("items");
const news = document.getElementById("news");
const items = () => [...list.querySelectorAll(":scope > .item")];
let current = location.hash.startsWith("#item-") ? location.hash.slice(1) : "";
let known = null;

// --- keys

function focusOn(item) {
  current = item?.id ?? "";
  item?.focus();
  item?.scrollIntoView({ block: "nearest" });
}

function go(step) {
  const all = items();
  const at = all.findIndex((item) => item.id === current);
  if (all.length) focusOn(all[Math.min(Math.max(at + step, 0), all.length - 1)]);
}

list.addEventListener("focusin", (event) => { current = event.target.closest(".item")?.id ?? current; });
const within = (key) => (document.getElementById(current) ?? items()[0])?.querySelector(`[data-key="${key}"]`);

function choose(nth) {
  const one = (document.getElementById(current) ?? items()[0])?.querySelector(`[data-nth="${nth}"]`);
  one?.closest("details:not([open])")?.setAttribute("open", "");
  one?.click();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || writing(event) || !keysOn()) return;
  if (list.inert) return;
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (["a", "c", "r"].includes(event.key)) within(event.key)?.click();
  else if (/^[1-5]$/.test(event.key) && !event.defaultPrevented) choose(event.key);
  else return;
  event.preventDefault();
});
addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.other[open]")) event.target.querySelector("input:not([type=hidden])").focus();
}, true);

// --- what the server shows now, put into the page that is here: what somebody writes in stays

const written = (item) => item.contains(document.activeElement) && document.activeElement.matches("input")
  || [...item.querySelectorAll("input:not([type=hidden])")].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);

function bring(fresh) {
  const had = new Map(items().map((item) => [item.id, item]));
  const now = [...fresh.querySelectorAll("#items > .item")];
  const there = new Set(now.map((item) => item.id));
  const focused = list.contains(document.activeElement) ? document.activeElement.closest(".item").id : "";
  const wanted = now.map((item) => {
    const old = had.get(item.id);
    return old && (written(old) || old.innerHTML === item.innerHTML) ? old : document.adoptNode(item);
  });
  // Not taken from under the hands of whoever writes in it: what comes of it then, the server says.
  for (const [id, item] of had) if (!there.has(id) && written(item)) wanted.push(item);
  list.replaceChildren(...wanted);
  document.getElementById("none").hidden = wanted.length > 0;
  if (focused && !list.contains(document.activeElement)) focusOn(document.getElementById(focused) ?? wanted[0]);
  const came = now.filter((item) => !had.has(item.id) && item.dataset.state === "open");
  if (came.length) {
    news.textContent = `${list.dataset.new} ${came.map((item) => item.querySelector("h2").textContent).join("、")}`;
    ring();
  }
}

let asking = false;
let again = false;

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  again = false;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.ok && !answer.redirected) bring(new DOMParser().parseFromString(await answer.text(), "text/html"));
  asking = false;
  if (again) refresh();
}

// --- a step at an item: the page stays, and says what came of it

function say(words, good) {
  const outcome = document.getElementById("outcome");
  outcome.textContent = words;
  outcome.className = good ? "notice good" : "notice bad";
  outcome.hidden = false;
  delete outcome.dataset.command;
}

list.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.sent) return; // on its way already
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
  delete form.dataset.sent;
  if (!answer) return say(list.dataset.unsent, false);
  if (new URL(answer.url).pathname === "/login") return location.assign("/login");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const said = fresh.querySelector(answer.ok ? ".notice.good" : ".notice.bad, .notice");
  if (said) say(said.textContent, answer.ok);
  const told = fresh.querySelector("#outcome[data-command]");
  if (told) {
    Object.assign(document.getElementById("outcome").dataset, told.dataset);
    follow(document.getElementById("outcome"));
  }
  if (answer.ok) form.reset();
  if (form.contains(document.activeElement)) form.closest(".item").focus();
  refresh();
});

function show(board) {
  if (!board.exceptions) return;
  const told = JSON.stringify(board.exceptions);
  if (told !== known) refresh();
  known = told;
}

function state(is) {
  document.getElementById("connection").dataset.state = is;
  document.getElementById("connection-word").textContent = list.dataset[is] ?? "";
  document.getElementById("lost").hidden = is !== "lost";
  // Nothing is asked of a server that is not there: what is done meanwhile would be lost, or come late.
  list.inert = is === "lost";
}

follow(document.getElementById("outcome"));
// A page of the past, or further down, stands still.
if (!new URLSearchParams(location.search).has("cursor")) watch(show, state);
if (current) focusOn(document.getElementById(current));
setInterval(() => { if (!list.inert && !document.hidden) refresh(); }, 60000); // how long each has waited
