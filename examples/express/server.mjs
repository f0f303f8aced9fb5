// An application with sessions of its own, told by logout token (OpenID Connect Back-Channel Logout)
// when they are over. Registered with:
//   signoff application create ID --form logout-token --url https://app.example.com/backchannel-logout
import { randomBytes } from "node:crypto";
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const {
  SIGNOFF_URL, // https://sso.example.com
  SIGNOFF_TOKEN, // of role application, for this application
  APPLICATION, // its ID
  BASE_URL, // what browsers call it; on a host that gets Signoff's cookie
  PORT = "3000",
} = process.env;
const BACKCHANNEL = "http://schemas.openid.net/event/backchannel-logout";

const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", SIGNOFF_URL));
const sessions = new Map(); // our cookie's value -> { sid, user }
const app = express();

app.get("/", (request, response) => {
  const session = sessions.get(cookie(request));
  if (session) response.send(`Hello ${escape(session.user)}. <a href="${SIGNOFF_URL}/logout">Sign out</a>`);
  else response.send('You are not signed in. <a href="/sign-in">Sign in</a>');
});

app.get("/sign-in", (request, response) => {
  response.redirect(`${SIGNOFF_URL}/saml/login?return_to=${encodeURIComponent(`${BASE_URL}/signed-in`)}`);
});

// Back from the sign-in: who is it, and tell us when it is over.
app.get("/signed-in", async (request, response) => {
  const asked = await fetch(`${SIGNOFF_URL}/session`, { headers: { cookie: request.headers.cookie ?? "" } });
  if (!asked.ok) return response.redirect("/");
  const { session_id: sid, authentications } = await asked.json();
  const id = randomBytes(32).toString("base64url");
  // First ours, then the registration: an end that comes at once finds something to end.
  sessions.set(id, { sid, user: authentications[0]?.name_id?.value ?? "somebody" });
  const registered = await fetch(`${SIGNOFF_URL}/api/v1/sessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${SIGNOFF_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ session: sid }),
  });
  if (!registered.ok) sessions.delete(id); // over in the meantime: nobody would tell us
  if (!sessions.has(id)) return response.redirect("/");
  response.cookie("app", id, { httpOnly: true, sameSite: "lax", secure: BASE_URL.startsWith("https:") });
  response.redirect("/");
});

app.post("/backchannel-logout", express.urlencoded({ extended: false, limit: "16kb" }), async (request, response) => {
  response.set("cache-control", "no-store");
  try {
    const { payload } = await jwtVerify(request.body?.logout_token ?? "", keys, {
      issuer: SIGNOFF_URL,
      audience: APPLICATION,
      algorithms: ["RS256"],
      typ: "logout+jwt",
      requiredClaims: ["iat", "jti", "sid"],
    });
    if (!payload.events?.[BACKCHANNEL] || "nonce" in payload) throw new Error("no logout token");
    // The same token may come twice; ending twice is ending.
    for (const [id, session] of sessions) if (session.sid === payload.sid) sessions.delete(id);
    response.status(200).end();
  } catch (error) {
    console.error(`refused: ${error.message}`);
    response.status(400).json({ error: "invalid_request" });
  }
});

function cookie(request) {
  const own = /(?:^|;\s*)app=([\w-]{43})(?:;|$)/.exec(request.headers.cookie ?? "");
  return own?.[1];
}

function escape(text) {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const server = app.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
