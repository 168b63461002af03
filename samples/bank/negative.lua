-- Appended to accounts.lua: stop the fold at the first event that makes a balance negative.
for type, book in pairs(on) do
	on[type] = function(s, e)
		book(s, e)
		if s.balance < 0 then stop() end
	end
end
