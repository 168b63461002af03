-- The stock service.  For each item it knows how many are left.

function on.ItemStocked(item, e) item.left = (item.left or 0) + e.data.count end

local function reserve(item, e)
	local answer = "OutOfStock"

	if (item.left or 0) > 0 then
		item.left = item.left - 1
		answer = "StockReserved"
	end
	emit{ type = answer, subject = e.subject, data = e.data }
end

local function release(item, e)
	item.left = item.left + 1
	emit{ type = "StockReleased", subject = e.subject, data = e.data }
end

-- Commands of a mediator; and with a broker, events of the other services.
on.StockItem = on.ItemStocked
on.ReserveStock = reserve
on.ReleaseStock = release
on.CreditReserved = reserve
on.PaymentFailed = release
