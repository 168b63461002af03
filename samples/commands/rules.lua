-- An order: what its events make of it, and which commands it allows.
function init() return { status = "new", paid = decimal(0), done = {} } end

-- Events have happened, and are never refused.  Each remembers the command that it is of.
local function event(type, change)
	on[type] = function(s, e)
		change(s, e.data)
		s.done[e.causationid] = true
	end
end
event("OrderPlaced", function(s, data) s.status = "placed"; s.total = decimal(data.total) end)
event("PaymentTaken", function(s, data) s.paid = s.paid + decimal(data.amount) end)
event("OrderShipped", function(s) s.status = "shipped" end)

-- A command can be refused, by an error; else it emits events.  One that is done already,
-- since its client has lost the answer and asks again, emits none.
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
