// Runs session.mjs without a browser window: its cookie and its origin come from the environment.
import { EventSource as Source } from "eventsource";
import { watch } from "./session.mjs";

const { SIGNOFF_URL, ORIGIN, COOKIE } = process.env;

/** What a browser does: sends cookie and origin along, and shows the answer only if it may. */
async function asBrowser(url, options = {}) {
  const headers = new Headers(options.headers);
  headers.set("origin", ORIGIN);
  headers.set("cookie", COOKIE);
  const reply = await fetch(url, { ...options, headers });
  const allowed =
    reply.headers.get("access-control-allow-origin") === ORIGIN &&
    reply.headers.get("access-control-allow-credentials") === "true";
  if (!allowed) throw new TypeError("a browser would not show this answer");
  return reply;
}

class EventSource extends Source {
  constructor(url, options) {
    super(url, { ...options, fetch: asBrowser });
  }
}

await watch(
  {
    signoff: SIGNOFF_URL,
    onSignedIn: (session) => console.log(`signed in: ${session.authentications[0].name_id.value}`),
    onSignedOut: () => console.log("signed out"),
  },
  { fetch: asBrowser, EventSource },
);
