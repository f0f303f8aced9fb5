// A command-line program that works for a person: it takes part in the person's session and stops
// when that is over. It needs no address at which it could be told: it reads the feed.
//   SIGNOFF_URL=https://sso.example.com SIGNOFF_TOKEN=signoff_… node watch.mjs SESSION_ID
// SESSION_ID is the session's public name, as GET /session or the header X-Signoff-Session gives it.
const { SIGNOFF_URL, SIGNOFF_TOKEN } = process.env;
const [, , session] = process.argv;
const headers = { authorization: `Bearer ${SIGNOFF_TOKEN}` };

async function api(path, options = {}) {
  const reply = await fetch(`${SIGNOFF_URL}/api/v1${path}`, { ...options, headers: { ...headers, ...options.headers } });
  const body = await reply.json();
  if (reply.ok) return body;
  throw Object.assign(new Error(body.detail ?? body.title), { status: reply.status });
}

/** What is over after a cursor; waits up to half a minute for something. */
async function revocations(cursor) {
  const after = cursor ? `&after=${cursor}` : "";
  return api(`/revocations?wait=30${after}`);
}

// Where the feed ends now; then the registration; then everything after that.
let { cursor, more } = await api("/revocations?limit=1000");
while (more) ({ cursor, more } = await api(`/revocations?limit=1000&after=${cursor}`));
await api("/sessions", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ session }),
});
console.log("registered");

for (;;) {
  try {
    const page = await revocations(cursor);
    cursor = page.cursor;
    const over = page.revocations.find((line) => line.session_id === session);
    if (over) {
      console.log(`signed out: ${over.reason}`);
      break;
    }
  } catch (error) {
    if (error.status === 410) {
      // Away for longer than the feed is kept: ask for the session itself, and begin anew.
      cursor = undefined;
      const known = await api(`/sessions/${session}`).catch((other) => (other.status === 404 ? {} : { active: true }));
      if (known.active) continue;
      console.log("signed out");
      break;
    } else await new Promise((wake) => setTimeout(wake, 2000)); // not there at the moment
  }
}
