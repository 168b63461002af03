-- A table of lines in memory, and SQLite's JSON functions over it.
.mode ascii
.separator "\037" "\n"
create table events(line text);
.import events.ndjson events
.mode list
-- a bare column beside max() is of the row that has the maximum
select json_object('key', subject, 'n', count(*), 's', sum(amount), 'l', time)
  from (select json_extract(line, '$.subject') subject, json_extract(line, '$.time') time,
               json_extract(line, '$.data.amount') amount, rowid id from events)
 group by subject having max(id);
