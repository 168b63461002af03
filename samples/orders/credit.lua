-- How the customer service decides.  It gets a line for each customer first, the state
-- that evfold made of earlier events, and then what is asked, in order.
function key(e) return e.key or e.data.customer end

on["*"] = function(s, line) return line.state end

function on.OrderCreated(s, e)
	local reserved = s.reserved + decimal(e.data.amount)
	local fits = reserved <= decimal(s.limit)
	if fits then s.reserved = reserved end
	emit{ type = fits and "CreditReserved" or "CreditLimitExceeded", subject = e.subject,
	      causationid = e.id, data = { customer = e.data.customer, amount = e.data.amount } }
end

-- A broker's service reacts to what has happened, a mediator's does what it is told.
on.ReserveCredit = on.OrderCreated
