-- What an event does to an account.
--
-- Money is decimal.  Lua's own fractions are binary, and with them Bob's balance would
-- end as 30.350000000000023.
function init(account) return { balance = decimal(0), transfers = {} } end

function on.AccountOpened(s, e) s.owner = e.data.owner end
function on.Deposited(s, e) s.balance = s.balance + e.data.amount end
function on.Withdrawn(s, e) s.balance = s.balance - e.data.amount end

-- A transfer is remembered by what it did to this account, +90 or -90 ...
local function transfer(s, id, amount)
	s.transfers[id] = amount
	s.balance = s.balance + amount
end

function on.TransferSent(s, e) transfer(s, e.data.transfer, -decimal(e.data.amount)) end
function on.TransferReceived(s, e) transfer(s, e.data.transfer, decimal(e.data.amount)) end

-- ... so that a reversal need not say the amount again, which could be another one; and
-- of a transfer that never was, or is reversed already, the fold fails and says where.
function on.TransferReversed(s, e)
	s.balance = s.balance - s.transfers[e.data.transfer]
	s.transfers[e.data.transfer] = nil
end
