# setpath, since |= copies the whole object for each event
reduce inputs as $e ({};
  setpath([$e.subject];
    getpath([$e.subject]) | {n: (.n + 1), s: (.s + $e.data.amount), l: $e.time}))
| to_entries[] | {key} + .value
