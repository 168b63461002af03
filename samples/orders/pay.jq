# The bank: it captures what is asked for, if the customer pays, and refunds what came too late.
inputs | {type, subject, causationid: .id, data} |
if .type == "RefundPayment" or .type == "RefundRequested" then
	{type: "PaymentRefunded", subject, causationid, data: {refund: .data.amount}}
elif .data.pays then
	{type: "PaymentCaptured", subject, causationid, data: {paid: .data.amount}}
else empty end
