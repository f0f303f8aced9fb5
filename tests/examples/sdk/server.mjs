// An application made with an unmodified SDK, which takes logout tokens by itself. It says what the SDK
// has noted as over.
import express from "express";
import sdk from "express-openid-connect";

const { SIGNOFF_URL, APPLICATION, BASE_URL, PORT } = process.env;

const over = new Map();
const store = {
  get: (id, done) => done(null, over.get(id)),
  set: (id, value, done) => {
    over.set(id, value);
    console.log(`over: ${id}`);
    done(null);
  },
  destroy: (id, done) => {
    over.delete(id);
    done(null);
  },
};

const app = express();
app.use(
  sdk.auth({
    issuerBaseURL: SIGNOFF_URL,
    baseURL: BASE_URL,
    clientID: APPLICATION,
    secret: "for its own cookie, which nobody gets here",
    authRequired: false,
    backchannelLogout: { store },
  }),
);
app.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on ${PORT}`));
