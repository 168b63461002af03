# The whole process: which event leads to which command, and on which channel.
inputs as $event | $event |
{
	CustomerRegistered:  ["credit", "RegisterCustomer"],
	OrderCreated:        ["credit", "ReserveCredit"],
	CreditReserved:      ["order",  "ApproveOrder"],
	CreditLimitExceeded: ["order",  "CancelOrder"]
}[.type] // empty |
select(.[0] == $channel) |
{type: .[1], subject: $event.subject, causationid: $event.id, data: $event.data}
