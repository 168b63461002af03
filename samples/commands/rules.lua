-- An order: how events change it, and which commands it allows.
function init() return { status = "new", paid = decimal(0), done = {} } end

-- Events have happened, so they are never refused.  Each one records the command it came from.
local function event(type, change)
	on[type] = function(s, e)
		change(s, e.data)
		s.done[e.causationid] = true
	end
end
event("OrderPlaced", function(s, data) s.status = "placed"; s.total = decimal(data.total) end)
event("PaymentTaken", function(s, data) s.paid = s.paid + decimal(data.amount) end)
event("OrderShipped", function(s) s.status = "shipped" end)

-- A command is refused with an error, or emits events.  If a client has lost the answer and
-- repeats a command that is done already, nothing is emitted.
local function command(type, becomes, check)
	on[type] = function(s, e)
		if s.done[e.id] then return end
		check(s, e.data)
		emit{ type = becomes, subject = e.subject, causationid = e.id, data = e.data }
	end
end
local function refuse(unless, why) if not unless then error(why, 0) end end

command("PlaceOrder", "OrderPlaced", function(s)
	refuse(s.status == "new", "the order is " .. s.status)
end)
command("TakePayment", "PaymentTaken", function(s, data)
	refuse(s.status == "placed", "the order is " .. s.status)
	refuse(s.paid + decimal(data.amount) <= s.total, "more than is owed")
end)
command("ShipOrder", "OrderShipped", function(s)
	refuse(s.status == "placed", "the order is " .. s.status)
	refuse(s.paid == s.total, "not paid yet")
end)
