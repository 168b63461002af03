-- How many events of each type, in DuckDB.
select format('{{"key":{},"n":{}}}', to_json(type), count(*))
  from read_json($1, format = 'newline_delimited', columns = {type: 'varchar'})
 group by type
