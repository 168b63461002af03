# setpath, since |= copies the whole object for each event
reduce inputs as $e ({};
  ($e.EventID | tostring) as $key | $e["@timestamp"] as $time
  | setpath([$key]; getpath([$key]) // {from: $time, to: $time} | {
      key: $e.EventID, n: (.n + 1), from: ([.from, $time] | min), to: ([.to, $time] | max),
      record: ([.record, $e.RecordNumber] | max)}))
| .[]
