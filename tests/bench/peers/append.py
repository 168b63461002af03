"""append.py DB FILE: inserts each line as a row, in WAL mode, durable after each 3,000."""
import itertools
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("pragma synchronous = full")
db.execute("create table events(seq integer primary key, line text)")
with open(sys.argv[2], encoding="utf-8") as lines:
    while batch := [(line,) for line in itertools.islice(lines, 3000)]:
        db.execute("begin")
        db.executemany("insert into events(line) values (?)", batch)
        db.execute("commit")
db.close()
