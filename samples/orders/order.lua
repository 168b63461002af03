-- The order service of the broker sample.  It asks for the payment once everything is
-- reserved, and says how the order ends.

local function say(e, type, data) emit{ type = type, subject = e.subject, data = data or e.data } end

function on.StockReserved(order, e)
	order.data = e.data
	say(e, "PaymentRequested")
	emit{ type = "PaymentTimedOut", id = e.subject .. "/payment", subject = e.subject, due = e.data.payby }
end

function on.PaymentCaptured(order, e)
	if order.over then -- too late
		say(e, "RefundRequested", order.data)
		return
	end
	order.over = true
	emit{ type = "TimerStopped", subject = e.subject, cancels = e.subject .. "/payment" }
	say(e, "OrderApproved", order.data)
end

-- In this log the timer is seen twice: when it is started, with its due time, and when the time
-- has come.
function on.PaymentTimedOut(order, e)
	if e.due or order.over then return end
	order.over = true
	say(e, "PaymentFailed", order.data)
end

-- The other services have undone their parts, last things first.
function on.CreditReleased(_, e) say(e, "OrderCancelled") end
function on.CreditLimitExceeded(_, e) say(e, "OrderCancelled") end
