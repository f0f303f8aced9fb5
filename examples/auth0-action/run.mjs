// Runs the Action once outside of Auth0, with an event from standard input:
//   node run.mjs < event.json
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const action = createRequire(import.meta.url)("./post-login.js");
const event = JSON.parse(await text(process.stdin));
const began = Date.now();
await action.onExecutePostLogin(event, {});
console.log(`the login goes on after ${Date.now() - began} ms`);
