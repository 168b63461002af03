-- The price of bicycles: 1.00 per ride and 0.15 per minute, but at most this much per day.
local most = decimal("12.00")

function init() return { owes = decimal(0), today = decimal(0) } end

function on.RideEnded(s, e)
	local day = e.time:sub(1, 10)
	if day ~= s.day then s.day, s.today = day, decimal(0) end
	local sum = s.today + decimal("1.00") + decimal("0.15") * e.data.minutes
	if sum > most then sum = most end
	s.owes = s.owes + sum - s.today
	s.today = sum
end
