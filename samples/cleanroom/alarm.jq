# Raise an alarm when two readings of a room in a row are too warm.
foreach inputs as $e ({};
	.warm[$e.subject] = if $e.data.celsius > 8 then (.warm[$e.subject] // 0) + 1 else 0 end;
	select(.warm[$e.subject] == 2) |
	{type: "Alarm", subject: $e.subject, time: $e.time, data: {celsius: $e.data.celsius}})
