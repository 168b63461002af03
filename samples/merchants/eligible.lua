-- Many facts, and the one thing that others want to know: may this merchant be paid?
-- The rule stands here, and nowhere else.
function init() return { lacks = { identity = true, bank = true } } end

-- Says so when the verdict has changed.  The id is made of the fact's: to say it again is
-- to say the same.
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
