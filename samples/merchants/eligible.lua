-- From many facts, this computes the one thing that others want to know: may this merchant be
-- paid?  The rule is here, and nowhere else.
function init() return { lacks = { identity = true, bank = true } } end

-- Emits an event when the verdict changes.  Its id is derived from that of the fact, so if it is
-- emitted again, it is the same event.
local function verdict(s, e)
	local eligible = next(s.lacks) == nil
	if eligible == (s.eligible or false) then return end
	s.eligible = eligible
	emit{ type = eligible and "MerchantBecameEligible" or "MerchantBecameIneligible",
	      subject = e.subject, id = e.id .. "/eligible", time = e.time,
	      causationid = e.id, data = { lacks = s.lacks } }
end

local function fact(type, change)
	on[type] = function(s, e)
		change(s, e.data)
		verdict(s, e)
	end
end
fact("IdentityVerified", function(s) s.lacks.identity = nil end)
fact("BankAccountConfirmed", function(s) s.lacks.bank = nil end)
fact("FraudSuspected", function(s, data) s.lacks["clearance of " .. data.case] = true end)
fact("FraudCleared", function(s, data) s.lacks["clearance of " .. data.case] = nil end)
