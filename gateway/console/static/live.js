// One stream of server-sent events, for whoever shows what it says; it says as well how the connection is.
const SILENCE_MS = 12000; // the server says something every 5 s
const RETRY_MS = 2000;

/** `show(board)` for each message; `state("connecting" | "live" | "lost")` when that changes. */
export function watch(show, state) {
  let source;
  let silence;
  let retry;
  let now;

  function is(next) {
    if (next === now) return;
    now = next;
    state(next);
  }

  function lost() {
    source?.close();
    clearTimeout(silence);
    clearTimeout(retry);
    // A stream ends from time to time and begins anew: only when that fails, something is lost.
    const again = now === "live";
    is(again ? "connecting" : "lost");
    retry = setTimeout(connect, again ? 0 : RETRY_MS);
  }

  function heard() {
    is("live");
    clearTimeout(silence);
    silence = setTimeout(lost, SILENCE_MS);
  }

  function connect() {
    clearTimeout(retry);
    // A connection that never says anything is none.
    silence = setTimeout(lost, SILENCE_MS);
    source = new EventSource("/api/v1/live");
    for (const name of ["snapshot", "change", "clock"]) {
      source.addEventListener(name, (event) => {
        heard();
        show(JSON.parse(event.data));
      });
    }
    source.onerror = async () => {
      clearTimeout(silence);
      source.close();
      // The session may be over: then the page itself leads to the form.
      const answer = await fetch("/api/v1/sites?limit=1").catch(() => null);
      if (answer?.status === 401) location.assign("/login");
      else lost();
    };
  }

  is("connecting");
  connect();
  addEventListener("pagehide", () => source?.close());
}
