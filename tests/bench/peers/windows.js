// Count, first and last time, and highest record number by EventID.
const states = new Map();
require("./lines.js")(process.argv[2], (event) => {
  const time = event["@timestamp"], record = event.RecordNumber, key = event.EventID;
  let state = states.get(key);
  if (!state) states.set(key, (state = { key, n: 0, from: time, to: time, record }));
  state.n += 1;
  if (time < state.from) state.from = time;
  if (time > state.to) state.to = time;
  if (record > state.record) state.record = record;
});
process.stdout.write([...states.values()].map((state) => JSON.stringify(state) + "\n").join(""));
