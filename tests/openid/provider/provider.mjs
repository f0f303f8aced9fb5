// A real OpenID provider that we did not write (the npm package oidc-provider), for the demonstration
// and for the tests: RP-initiated logout, back-channel logout with sid, one client, everything in
// memory. It takes anybody's word for who they are.
//   SIGNOFF_URL=http://127.0.0.1:8080 CLIENT_ID=… CLIENT_SECRET=… [PORT=0] node provider.mjs
// It says "listening on URL" when it does, and ends when its standard input does.
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { Provider } from "oidc-provider";

const { SIGNOFF_URL, CLIENT_ID, CLIENT_SECRET, PORT = "0" } = process.env;

const server = createServer();
await listen(Number(PORT)).catch(() => listen(0));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "demo" };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      client_name: "Signoff",
      redirect_uris: [`${SIGNOFF_URL}/auth0/callback`],
      post_logout_redirect_uris: [`${SIGNOFF_URL}/auth0/logged-out`],
      backchannel_logout_uri: `${SIGNOFF_URL}/auth0/backchannel-logout`,
      backchannel_logout_session_required: true,
    },
  ],
  jwks: { keys: [key] },
  // Ports do not separate cookies: names that are nobody else's.
  cookies: {
    keys: [randomBytes(32).toString("base64url")],
    names: { session: "demo_op", interaction: "demo_op_interaction", resume: "demo_op_resume" },
  },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: askForConsent, postLogoutSuccessSource: saySignedOut },
  },
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  loadExistingGrant: grantWhatIsAsked,
  // It refuses to connect to loopback addresses by itself; here everything is on one.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 3600, Interaction: 600, Session: 86_400, Grant: 86_400 },
});
provider.on("server_error", (_, error) => console.error(error));
provider.on("backchannel.error", (_, error) => console.error(String(error)));

const callback = provider.callback();
server.on("request", (request, response) => {
  answer(request, response).catch((error) => {
    console.error(String(error));
    if (!response.headersSent) response.writeHead(400, { "content-type": "text/html" });
    response.end(page("This did not work", "<p>Please begin again.</p>"));
  });
});
console.log(`listening on ${issuer}`);
process.stdin.resume().on("end", () => process.exit()).on("error", () => process.exit());

function listen(port) {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", () => done(server.off("error", failed)));
  });
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, issuer);
  if (pathname === "/") return home(request, response);
  if (pathname.startsWith("/sign-in/")) return signIn(request, response);
  return callback(request, response);
}

/** Who is signed in here, and the way out. */
async function home(request, response) {
  const session = await provider.Session.get(provider.createContext(request, response));
  const text = session.accountId
    ? `<p>${html(session.accountId)} is signed in here.</p>
       <p><a href="/session/end">Sign out</a></p>`
    : "<p>Nobody is signed in here.</p>";
  response.writeHead(200, { "content-type": "text/html" }).end(page("Demo OpenID provider", text));
}

/** The sign-in form, and what comes of it. */
async function signIn(request, response) {
  const { params, uid } = await provider.interactionDetails(request, response);
  if (request.method === "POST") {
    const person = new URLSearchParams(await body(request)).get("person")?.trim();
    const result = person
      ? { login: { accountId: person } }
      : { error: "access_denied", error_description: "nobody was named" };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  const form = (person) => `<form method="post" action="/sign-in/${uid}">
    <input type="hidden" name="person" value="${person}"><button>I am ${person}</button></form>`;
  const text = `<p>${html(params.client_id)} wants to know who you are. Your word is taken for it.</p>
    ${form("alice")} ${form("bob")}`;
  response.writeHead(200, { "content-type": "text/html" }).end(page("Who are you?", text));
}

/** Whoever is signed in agrees to everything: there is one client, and it asks for nothing but a name. */
async function grantWhatIsAsked(ctx) {
  const { client, session } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid");
  await grant.save();
  return grant;
}

/** The question that a sign-out asks: whether the session here is to end as well. */
function askForConsent(ctx, form) {
  const buttons = `<button name="logout" value="yes">Yes, sign me out</button>
    <button name="stay" value="yes">No, stay signed in</button></form>`;
  ctx.body = page("Sign out here as well?", form.replace("</form>", buttons));
}

function saySignedOut(ctx) {
  ctx.body = page("You are signed out here", '<p><a href="/">Back</a></p>');
}

function page(title, content) {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
    <title>${title}</title><style>
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem;
      color: #1c2430; background: #eaf1ee }
    main { background: #fff; border: 1px solid #c5ddd3; border-radius: .6rem; padding: 1.5rem 1.75rem }
    small { color: #5c7a6f; letter-spacing: .04em; text-transform: uppercase }
    form { display: inline } button { font: inherit; padding: .4rem .9rem; border-radius: .4rem;
      border: 1px solid #3b8a6d; background: #fff; color: #225d47; cursor: pointer }
    </style></head><body><main><small>OpenID provider</small><h1>${title}</h1>${content}</main></body></html>`;
}

function html(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** What was posted; a form with a name is short. */
async function body(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 4096) throw new Error("too long");
  }
  return text;
}
