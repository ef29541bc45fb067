// What is live on a page. All tabs of a browser share one stream: over HTTP/1.1 it has six connections to a server, and a stream holds one.
import { stream } from "./stream.js";

/** `show(board)` for each message; `state("connecting" | "live" | "lost")` when that changes. */
export function watch(show, state) {
  // The session may be over: then the page itself leads to the form.
  const on = { show, state, gone: () => location.assign("/login") };
  if (!globalThis.SharedWorker) {
    addEventListener("pagehide", stream(on));
    return;
  }
  const { port } = new SharedWorker("/static/live-worker.js", { type: "module", name: "live" });
  port.onmessage = ({ data: [what, value] }) => on[what](value);
  addEventListener("pagehide", () => port.postMessage("bye"));
}
