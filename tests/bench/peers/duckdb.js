// duckdb.js QUERY FILE: what DuckDB answers, from the file; the query is beside this.
const fs = require("fs");
const { createRequire } = require("module");
const { DuckDBInstance } = createRequire(process.env.EVLOG_DUCKDB + "/")("@duckdb/node-api");
(async () => {
  const db = await (await DuckDBInstance.create(":memory:")).connect();
  const query = fs.readFileSync(`${__dirname}/${process.argv[2]}`, "utf8");
  const rows = await db.runAndReadAll(query, [process.argv[3]]);
  process.stdout.write(rows.getRows().map(([row]) => row + "\n").join(""));
})();
