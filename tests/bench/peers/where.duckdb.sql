-- How many events have a data.amount above 450, in DuckDB.
select format('{{"n":{}}}', count(*))
  from read_json($1, format = 'newline_delimited', columns = {
       data: 'struct(amount decimal(18,2))'})
 where data.amount > 450
