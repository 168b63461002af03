// Count, exact sum and last by subject in DuckDB, from the file.  Times ascend, so the last
// one is the greatest: last() is not that of the file where several threads read it.
const { createRequire } = require("module");
const { DuckDBInstance } = createRequire(process.env.EVLOG_DUCKDB + "/")("@duckdb/node-api");
(async () => {
  const db = await (await DuckDBInstance.create(":memory:")).connect();
  const rows = await db.runAndReadAll(`
    select subject, count(*), sum(data.amount)::varchar, max(time)
      from read_json($1, format = 'newline_delimited', columns = {
           subject: 'varchar', time: 'varchar', data: 'struct(amount decimal(18,2))'})
     group by subject`, [process.argv[2]]);
  process.stdout.write(rows.getRows().map(([key, n, s, l]) =>
    `{"key":${JSON.stringify(key)},"n":${n},"s":${s},"l":${JSON.stringify(l)}}\n`).join(""));
})();
