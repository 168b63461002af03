// Count, sum in cents, which is exact, and last by subject, as evfold -k subject does.
const states = new Map();
require("./lines.js")(process.argv[2], (event) => {
  let state = states.get(event.subject);
  if (!state) states.set(event.subject, (state = { key: event.subject, n: 0, s: 0, l: null }));
  state.n += 1;
  state.s += Math.round(event.data.amount * 100);
  state.l = event.time;
});
const out = [];
for (const state of states.values()) out.push(JSON.stringify({ ...state, s: state.s / 100 }) + "\n");
process.stdout.write(out.join(""));
