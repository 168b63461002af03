-- Decides on a transfer.  It gets the events of both accounts, and then the request.
function init() return { balance = {}, done = {} } end

local function book(s, e, amount)
	s.balance[e.subject] = (s.balance[e.subject] or decimal(0)) + amount
	if e.data.transfer then s.done[e.data.transfer] = true end
end

function on.Deposited(s, e) book(s, e, decimal(e.data.amount)) end
function on.TransferSent(s, e) book(s, e, -decimal(e.data.amount)) end
function on.TransferReceived(s, e) book(s, e, decimal(e.data.amount)) end

-- A request that is repeated, because the answer was lost, has no effect.
function on.Transfer(s, e)
	local from, to, amount = e.data.from, e.data.to, decimal(e.data.amount)

	if from == to or amount <= 0 then error("not a transfer", 0) end
	if s.done[e.id] then return end
	if (s.balance[from] or decimal(0)) < amount then error(from .. " has too little", 0) end
	local data = { transfer = e.id, amount = amount }
	emit{ type = "TransferSent", subject = from, causationid = e.id, data = data }
	emit{ type = "TransferReceived", subject = to, causationid = e.id, data = data }
end
