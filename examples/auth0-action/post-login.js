// An Auth0 Action for the trigger post-login. Where Auth0 itself is the SAML service provider towards
// an identity provider, Signoff is no participant of that session; this Action tells it what it has to
// know: issuer, sid and sub, the connection, and NameID and SessionIndex where Auth0 shows them.
//
// It never keeps a login waiting for longer than five seconds in all and never makes one fail. What it
// could not say then is missing, and the logout does without it.
//
// Secrets of the Action:
//   SIGNOFF_URL     https://sso.example.com
//   SIGNOFF_TOKEN   signoff token create auth0 --role application --application auth0
//   SIGNOFF_ISSUER  only if the issuer in Signoff's settings is not https://HOST-OF-THE-LOGIN/
const { createHash } = require("node:crypto");

/** All tries together, and one of them, in milliseconds. */
const BUDGET = 5000;
const ONE_TRY = 2000;
/** Connections of these kinds speak SAML, or may. */
const SAML = ["samlp", "adfs", "pingfederate"];
/** How young a sign-in has to be for the profile to be its own and not that of another browser. */
const FRESH = 60_000;

exports.onExecutePostLogin = async (event) => {
  try {
    const registration = describe(event);
    if (registration) await register(registration, event.secrets);
  } catch (error) {
    console.log(`Signoff does not know of this session: ${error.message}`);
  }
};

/** What Signoff is to know of this session; nothing if there is none, or no SAML behind it. */
function describe({ session, connection, user, request, secrets, authentication }) {
  if (!session?.id || !SAML.includes(connection?.strategy)) return undefined;
  const registration = {
    issuer: secrets.SIGNOFF_ISSUER || `https://${request.hostname}/`,
    sid: session.id,
    subject: user.user_id,
    connection: connection.name,
  };
  // Auth0 does not promise these two. A profile is a person's, not a session's: the last sign-in in any
  // browser has written it, so it is believed only right after a sign-in in this one.
  if (!isFresh(authentication)) return registration;
  const name = user.nameIdAttributes;
  if (text(name?.value)) {
    registration.name_id = {
      value: name.value,
      format: text(name.Format),
      name_qualifier: text(name.NameQualifier),
      sp_name_qualifier: text(name.SPNameQualifier),
    };
  }
  if (text(user.sessionIndex)) registration.session_indexes = [user.sessionIndex];
  return registration;
}

/** Sends a registration until it is taken or refused, or the time is up. Sent twice, it counts once. */
async function register(registration, { SIGNOFF_URL, SIGNOFF_TOKEN }) {
  const body = JSON.stringify(registration);
  const request = {
    method: "POST",
    redirect: "error",
    headers: {
      authorization: `Bearer ${SIGNOFF_TOKEN}`,
      "content-type": "application/json",
      "idempotency-key": createHash("sha256").update(body).digest("hex"),
    },
    body,
  };
  const end = Date.now() + BUDGET;
  for (let pause = 200; ; pause *= 2) {
    const left = end - Date.now();
    let why;
    try {
      const signal = AbortSignal.timeout(Math.min(ONE_TRY, Math.max(left, 1)));
      const reply = await fetch(`${SIGNOFF_URL}/api/v1/sessions`, { ...request, signal });
      await reply.body?.cancel();
      if (reply.ok) return;
      why = new Error(`it answered with HTTP ${reply.status}`);
      // What is refused stays refused, except where it says when to come again.
      const again = reply.status >= 500 || reply.headers.has("retry-after");
      if (!again) throw Object.assign(why, { final: true });
    } catch (error) {
      if (error.final) throw error;
      why = error;
    }
    if (end - Date.now() <= pause) throw why;
    await new Promise((wake) => setTimeout(wake, pause));
  }
}

function isFresh(authentication) {
  const times = (authentication?.methods ?? []).map((method) => Date.parse(method.timestamp));
  return times.some((time) => Math.abs(Date.now() - time) < FRESH);
}

/** A text as Signoff takes it: not empty, and not endless. */
function text(value) {
  return typeof value === "string" && value !== "" && value.length <= 256 ? value : undefined;
}
