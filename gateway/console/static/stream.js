// The stream of server-sent events itself, and how it is kept up. In a worker that all tabs share, or in a page.
const SILENCE_MS = 12000; // the server says something every 5 s
const RETRY_MS = 2000;

/**
 * Calls `show(board)` for each message, `state("connecting" | "live" | "lost")`, and `gone()` where the session is over. Returns how to end it.
 * Unless `whole`, only the emergencies that stand are asked for.
 */
export function stream({ show, state, gone, whole }) {
  let source;
  let silence;
  let retry;
  let now;
  let ended = false;

  function is(next) {
    if (next === now) return;
    now = next;
    state(next);
  }

  function lost() {
    if (ended) return;
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
    source = new EventSource(whole ? "/api/v1/live" : "/api/v1/live/emergencies");
    for (const name of ["snapshot", "change", "clock"]) {
      source.addEventListener(name, (event) => {
        heard();
        show(JSON.parse(event.data));
      });
    }
    source.onerror = async () => {
      clearTimeout(silence);
      source.close();
      const answer = await fetch("/api/v1/sites?limit=1").catch(() => null);
      if (answer?.status === 401 && !ended) gone();
      else lost();
    };
  }

  is("connecting");
  connect();
  return () => {
    ended = true;
    source.close();
    clearTimeout(silence);
    clearTimeout(retry);
  };
}
