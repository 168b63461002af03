-- The customer service.  For each customer it knows the limit and what is reserved, and it
-- answers each request in the order in which they come.

function on.CustomerRegistered(customer, e)
	customer.limit = decimal(e.data.limit)
	customer.reserved = customer.reserved or decimal(0)
end

local function fits(customer, amount)
	return customer.limit ~= nil and customer.reserved + amount <= customer.limit
end

local function reserve(customer, e)
	local amount = decimal(e.data.amount)
	local answer = "CreditLimitExceeded"

	if fits(customer, amount) then
		customer.reserved = customer.reserved + amount
		answer = "CreditReserved"
	end
	emit{ type = answer, subject = e.subject, data = e.data }
end

local function release(customer, e)
	customer.reserved = customer.reserved - decimal(e.data.amount)
	emit{ type = "CreditReleased", subject = e.subject, data = e.data }
end

-- With a mediator, the service obeys commands.
on.RegisterCustomer = on.CustomerRegistered
on.ReserveCredit = reserve
on.ReleaseCredit = release

-- With a broker, it reacts to events: to new orders, and to what the stock service says.
on.OrderCreated = reserve
on.OutOfStock = release
on.StockReleased = release
