-- The state of an order: its status, what is paid, and what was odd.
--
-- The state machine says which event leads from which status to which.  Payments are not part
-- of it, and may come at any time.
local leads = {
	OrderCreated        = { new = "pending" },
	CreditReserved      = { pending = "reserved" },
	CreditLimitExceeded = { pending = "refused" },
	OrderApproved       = { reserved = "approved" },
	OrderShipped        = { approved = "shipped" },
	OrderCancelled      = { pending = "cancelled", reserved = "cancelled",
	                        refused = "cancelled", approved = "cancelled" },
}

function init(order) return { status = "new", paid = decimal(0), odd = array{} } end

-- A command can be refused, but an event has happened.  If an event leads nowhere from the
-- current status, it is recorded, for somebody to look at.
local function step(s, e)
	local to = leads[e.type]
	if not to then return end
	if to[s.status] then s.status = to[s.status]
	else table.insert(s.odd, e.type .. " when " .. s.status) end
end

on["*"] = step

function on.OrderCreated(s, e)
	step(s, e)
	s.customer = e.data.customer
	s.amount = e.data.amount
end

-- A reversal contains the amount to add, -0.2; a refund contains the amount paid back, 9.10.
function on.PaymentCaptured(s, e) s.paid = s.paid + e.data.paid end
function on.PaymentReversed(s, e) s.paid = s.paid + e.data.paid end
function on.PaymentRefunded(s, e) s.paid = s.paid - e.data.refund end
