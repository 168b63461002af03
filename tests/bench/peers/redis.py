#!/usr/bin/env python3
"""Writes the lines of its input as commands that add each to a stream, for redis-cli
--pipe."""
import sys

for line in sys.stdin.buffer:
    line = line.rstrip(b"\n")
    sys.stdout.buffer.write(b"*5\r\n$4\r\nXADD\r\n$6\r\nevents\r\n$1\r\n*\r\n$1\r\nd\r\n$%d\r\n%s\r\n" % (len(line), line))
