// Who is signed in, and a call when that is over: for a page of the same site as Signoff, at an origin
// that an application has registered.

/**
 * @param {string} signoff where Signoff is, without a slash at the end
 * @param {(session: object) => void} onSignedIn
 * @param {() => void} onSignedOut called once
 */
export async function watch({ signoff, onSignedIn, onSignedOut }, { fetch, EventSource } = globalThis) {
  const ask = () => fetch(`${signoff}/session`, { credentials: "include", cache: "no-store" });
  const reply = await ask();
  if (reply.status === 401) return onSignedOut();
  // Unknown is not signed out: nothing is known, so nothing is shown.
  if (!reply.ok) throw new Error(`Signoff answered ${reply.status}`);
  onSignedIn(await reply.json());

  const events = new EventSource(`${signoff}/session/events`, { withCredentials: true });
  events.addEventListener("ended", () => {
    events.close();
    onSignedOut();
  });
  // A browser comes back by itself, except when it was refused: then ask now and then.
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return;
    const timer = setInterval(async () => {
      const reply = await ask().catch(() => undefined);
      if (reply?.status !== 401) return;
      clearInterval(timer);
      onSignedOut();
    }, 30_000);
  });
}
