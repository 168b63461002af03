-- Count, first and last time, and highest record number by EventID in DuckDB.
select format('{{"key":{},"n":{},"from":{},"to":{},"record":{}}}', EventID, count(*),
              to_json(min("@timestamp")), to_json(max("@timestamp")), max(RecordNumber))
  from read_json($1, format = 'newline_delimited', columns = {
       EventID: 'bigint', "@timestamp": 'varchar', RecordNumber: 'bigint'})
 group by EventID
