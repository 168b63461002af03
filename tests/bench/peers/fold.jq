reduce inputs as $e ({};
  .[$e.subject] |= {n: (.n + 1), s: (.s + $e.data.amount), l: $e.time})
| to_entries[] | {key} + .value
