// A regular web application behind a proxy that asks Signoff: no sign-in, no session, no library.
// nginx.conf, Caddyfile or traefik.yml stands in front and lets nobody else reach this port.
import { createServer } from "node:http";

const { PORT = "3000" } = process.env;

const server = createServer((request, response) => {
  // Percent-encoded, and empty where the identity provider named nobody.
  const user = decodeURIComponent(request.headers["x-signoff-user"] ?? "");
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.setHeader("cache-control", "no-store");
  response.end(user ? `Hello ${user}\n` : "Hello, whoever you are\n");
});

server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
