// Holds the one stream of all tabs, and tells each what it says.
import { stream } from "./stream.js";

const ports = new Set();
let end;

const tell = (what) => (value) => ports.forEach((port) => port.postMessage([what, value]));

addEventListener("connect", ({ ports: [port] }) => {
  ports.add(port);
  port.onmessage = () => {
    ports.delete(port);
    if (ports.size) return;
    end();
    end = undefined;
  };
  // Who comes anew needs the whole, with which the stream begins; it is also of whoever is signed in by now.
  end?.();
  end = stream({ show: tell("show"), state: tell("state"), gone: tell("gone") });
});
