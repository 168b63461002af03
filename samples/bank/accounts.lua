-- What an event does to an account.
--
-- Amounts are decimals.  Lua's own fractions are binary, and would make Bob's final balance
-- 30.350000000000023.
function init(account) return { balance = decimal(0), transfers = {} } end

function on.AccountOpened(s, e) s.owner = e.data.owner end
function on.Deposited(s, e) s.balance = s.balance + e.data.amount end
function on.Withdrawn(s, e) s.balance = s.balance - e.data.amount end

-- Each transfer is stored with the amount by which it changed this account, +90 or -90.
local function transfer(s, id, amount)
	s.transfers[id] = amount
	s.balance = s.balance + amount
end

function on.TransferSent(s, e) transfer(s, e.data.transfer, -decimal(e.data.amount)) end
function on.TransferReceived(s, e) transfer(s, e.data.transfer, decimal(e.data.amount)) end

-- So a reversal need not repeat the amount, and cannot get it wrong.  If the transfer does not
-- exist or has been reversed already, the fold fails and says where.
function on.TransferReversed(s, e)
	s.balance = s.balance - s.transfers[e.data.transfer]
	s.transfers[e.data.transfer] = nil
end
