import { follow } from "./follow.js";
import { watch } from "./live.js";

// A lane: kept up to date, and commanded without leaving the page, which says what really happened.
const now = document.getElementById("now");
const outcome = document.getElementById("outcome");
let known = null;

const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

function bring(fresh) {
  for (const part of ["now", "given"]) {
    const [here, there] = [document.getElementById(part), fresh.getElementById(part)];
    if (there && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
  }
  // Each key is of one command.
  const keys = [...fresh.querySelectorAll("[name=once]")].map((field) => field.value);
  document.querySelectorAll("[name=once]").forEach((field, at) => { field.value = keys[at] ?? field.value; });
}

async function refresh() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.ok) bring(await parsed(answer));
}

function say(words, kind) {
  delete outcome.dataset.command;
  outcome.textContent = words;
  outcome.className = `notice ${kind}`;
  outcome.hidden = false;
}

addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".by-hand")) return;
  event.preventDefault();
  if (form.dataset.going) return; // on its way already
  form.dataset.going = "yes";
  // Its buttons are named `action`, which hides the property.
  const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) }).catch(() => null);
  delete form.dataset.going;
  delete form.dataset.sent;
  if (!answer) return say(now.dataset.unsent, "bad");
  if (answer.redirected && new URL(answer.url).pathname !== location.pathname) return location.assign(answer.url);
  const fresh = await parsed(answer);
  const told = fresh.getElementById("outcome")?.dataset;
  if (!told?.command) return say(fresh.querySelector(".notice.bad, .notice")?.textContent ?? "", "bad");
  form.reset();
  bring(fresh);
  Object.assign(outcome.dataset, told);
  await follow(outcome);
  refresh();
}, true);

function show(board) {
  const lane = board.lanes?.find((one) => one.id === now.dataset.lane);
  if (!lane) return;
  const told = JSON.stringify(lane);
  if (known !== null && known !== told) refresh();
  known = told;
}

const state = (is) => { document.getElementById("lost").hidden = is !== "lost"; };

if (now.dataset.live) watch(show, state);
follow(outcome).then(() => { if (outcome.dataset.command) refresh(); });
