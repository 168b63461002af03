-- Behind accounts.lua: the first event that makes a balance negative ends the fold.
for type, book in pairs(on) do
	on[type] = function(s, e)
		book(s, e)
		if s.balance < 0 then stop() end
	end
end
