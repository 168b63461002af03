-- What becomes of an order: the program of the benchmark, as peers/orders.js.
function init(key) return { status = "new", paid = 0 } end
function on.OrderCreated(s, e) s.status = "pending"; s.total = e.data.amount end
function on.PaymentCaptured(s, e) s.paid = s.paid + e.data.amount end
function on.OrderCancelled(s) s.status = "cancelled" end
