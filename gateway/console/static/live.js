// What is live on a page. All tabs of a browser share one stream: over HTTP/1.1 it has six connections to a server, and a stream holds one.
import { stream } from "./stream.js";

const shows = [];
const who = document.getElementById("alarm-now")?.dataset.who;

/** `show(board)` for each message; `state("connecting" | "live" | "lost")` when that changes. */
export function watch(show, state) {
  shows.push(show);
  // The session may be over: then the page itself leads to the form.
  begin({ whole: true, state, gone: () => location.assign("/login") });
}

/** `show({ at, emergencies })` for each message that has them, on whatever page: where nothing else is live, nothing more is asked for. */
export function watchEmergencies(show) {
  shows.push((board) => { if (board.emergencies) show(board); });
  // What somebody has written on a page stays there when the session is over.
  if (shows.length === 1) begin({ whole: false, state: () => {}, gone: () => {} });
}

function begin(how) {
  const on = { ...how, show: (board) => shows.forEach((show) => show(board)) };
  if (!globalThis.SharedWorker) return alone(on);
  const { port } = new SharedWorker(new URL("live-worker.js", import.meta.url), { type: "module", name: "live" });
  port.onmessage = ({ data: [what, value] }) => on[what](value);
  const hello = () => port.postMessage({ whole: how.whole, who });
  hello();
  addEventListener("pagehide", () => port.postMessage("bye"));
  addEventListener("pageshow", ({ persisted }) => { if (persisted) hello(); });
}

// Where tabs cannot share a stream, those that nobody sees give theirs up, unless the page is about what is live.
function alone(on) {
  let end = stream(on);
  const over = () => { end?.(); end = undefined; };
  const again = () => { end ??= stream(on); };
  addEventListener("pagehide", over);
  addEventListener("pageshow", ({ persisted }) => { if (persisted) again(); });
  if (!on.whole) document.addEventListener("visibilitychange", () => (document.hidden ? over() : again()));
}
