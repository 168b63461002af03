// What ../orders.lua does, with the same doubles.
const on = {
  OrderCreated(s, e) { s.status = "pending"; s.total = e.data.amount; },
  PaymentCaptured(s, e) { s.paid = s.paid + e.data.amount; },
  OrderCancelled(s) { s.status = "cancelled"; },
};
const states = new Map();
require("./lines.js")(process.argv[2], (event) => {
  let state = states.get(event.subject);
  if (!state) states.set(event.subject, (state = { status: "new", paid: 0 }));
  on[event.type]?.(state, event);
});
const out = [];
for (const [key, state] of states) out.push(JSON.stringify({ key, ...state }) + "\n");
process.stdout.write(out.join(""));
