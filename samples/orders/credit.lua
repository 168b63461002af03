-- How the customer service decides.  First it gets a line for each customer, with the state
-- that evfold computed from earlier events; then the requests, in order.
function key(e) return e.key or e.data.customer end

on["*"] = function(s, line) return line.state end

function on.OrderCreated(s, e)
	local reserved = s.reserved + decimal(e.data.amount)
	local fits = reserved <= decimal(s.limit)
	if fits then s.reserved = reserved end
	emit{ type = fits and "CreditReserved" or "CreditLimitExceeded", subject = e.subject,
	      causationid = e.id, data = { customer = e.data.customer, amount = e.data.amount } }
end

-- With a broker, the service reacts to events; with a mediator, it follows commands.
on.ReserveCredit = on.OrderCreated
