-- The whole process of an order.  Two steps at the same time, and a join; then the payment,
-- for which there is a time; and if anything fails, what was done is undone, last things
-- first.

function on.CustomerRegistered(_, e) emit{ type = "RegisterCustomer", subject = e.subject, data = e.data } end
function on.ItemStocked(_, e) emit{ type = "StockItem", subject = e.subject, data = e.data } end

local function command(order, e, name) emit{ type = name, subject = e.subject, data = order.data } end

-- How what was done is undone: last things first, whatever came first.
local undoes = {
	{ "StockReserved", "ReleaseStock" },
	{ "CreditReserved", "ReleaseCredit" },
}

-- Undoes one step; the answer leads here again, for the step before it.
local function undo(order, e)
	for _, step in ipairs(undoes) do
		if order.done[step[1]] then
			order.done[step[1]] = nil
			command(order, e, step[2])
			return
		end
	end
	command(order, e, "CancelOrder")
end

function on.OrderCreated(order, e)
	order.data = e.data
	order.missing = 2
	order.done = {}
	command(order, e, "ReserveCredit")
	command(order, e, "ReserveStock")
end

local function pay(order, e)
	command(order, e, "RequestPayment")
	emit{ type = "PaymentTimedOut", id = e.subject .. "/payment", subject = e.subject, due = order.data.payby }
end

-- The join: only the last answer leads on.
local function answered(order, e)
	order.missing = order.missing - 1
	if order.missing > 0 then return end
	if order.failed then undo(order, e) else pay(order, e) end
end

local function done(order, e)
	order.done[e.type] = true
	answered(order, e)
end

local function failed(order, e)
	order.failed = true
	answered(order, e)
end

on.CreditReserved = done
on.StockReserved = done
on.CreditLimitExceeded = failed
on.OutOfStock = failed
on.CreditReleased = undo
on.StockReleased = undo

function on.PaymentCaptured(order, e)
	if order.over then -- too late
		command(order, e, "RefundPayment")
		return
	end
	order.over = true
	emit{ type = "StopTimer", subject = e.subject, cancels = e.subject .. "/payment" }
	command(order, e, "ApproveOrder")
end

function on.PaymentTimedOut(order, e)
	if order.over then return end -- it was captured at the last moment
	order.over = true
	undo(order, e)
end
