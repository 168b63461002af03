-- All money, in accounts and on its way between two.  Stops where that changes, or where an
-- account is below zero.
function init() return { balance = {}, total = decimal(0), on_its_way = decimal(0) } end

local function book(s, account, amount)
	s.balance[account] = (s.balance[account] or decimal(0)) + amount
	s.total = s.total + amount
	if s.balance[account] < 0 then stop() end
end

local function check(s)
	if s.total + s.on_its_way ~= s.deposited then stop() end
end

function on.Deposited(s, e)
	s.deposited = (s.deposited or decimal(0)) + e.data.amount
	book(s, e.subject, decimal(e.data.amount))
end

function on.TransferSent(s, e)
	s.on_its_way = s.on_its_way + e.data.amount
	book(s, e.subject, -decimal(e.data.amount))
	check(s)
end

function on.TransferReceived(s, e)
	s.on_its_way = s.on_its_way - e.data.amount
	book(s, e.subject, decimal(e.data.amount))
	check(s)
end
