-- Count, exact sum and last by subject in DuckDB.  Times ascend, so the last one is the
-- greatest: last() is not that of the file where several threads read it.
select format('{{"key":{},"n":{},"s":{},"l":{}}}', to_json(subject), count(*),
              sum(data.amount)::varchar, to_json(max(time)))
  from read_json($1, format = 'newline_delimited', columns = {
       subject: 'varchar', time: 'varchar', data: 'struct(amount decimal(18,2))'})
 group by subject
