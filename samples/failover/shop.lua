-- What follows from an order, and from its payment.  Run by evfold, which appends what is emitted.
function on.OrderPlaced(s, e)
    s.amount = e.data.amount
    emit{type = "PaymentRequested", subject = e.subject, data = {amount = s.amount}}
end

function on.PaymentCaptured(s, e)
    emit{type = "OrderApproved", subject = e.subject, data = {amount = s.amount}}
end

function on.PaymentFailed(s, e)
    emit{type = "OrderCancelled", subject = e.subject, data = {amount = s.amount}}
end
