// Somebody else's simulator of Auth0 (the npm package @simulacrum/auth0-simulator), with one client and
// one person. It speaks nothing but TLS, with the key and certificate under $HOME/.simulacrum/certs.
//   HOME=… CLIENT_ID=… node simulator.mjs
// It says "listening on URL" when it does, and ends when its standard input does.
import { createRequire } from "node:module";

// Its ES module cannot sign (jsonwebtoken has no named exports); its CommonJS one can.
const { simulation } = createRequire(import.meta.url)("@simulacrum/auth0-simulator");

const tenant = simulation({
  options: { clientID: process.env.CLIENT_ID, audience: "https://signoff.example/", scope: "openid" },
  initialState: {
    users: [
      {
        id: "auth0|alice",
        name: "Alice",
        email: "alice@example.org",
        password: "alice's password",
        picture: "https://example.org/alice.png",
      },
    ],
  },
});
const { port } = await tenant.listen(0, "127.0.0.1");
console.log(`listening on https://127.0.0.1:${port}/`);
process.stdin.resume().on("end", () => process.exit()).on("error", () => process.exit());
