"""Prints the median of 200 fdatasyncs of 300 bytes in place, in milliseconds."""
import os
import statistics
import time

fd = os.open("sync.bytes", os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, bytes(4096))
os.fsync(fd)
took = []
for i in range(200):
    start = time.monotonic()
    os.pwrite(fd, bytes([i % 255]) * 300, 0)
    os.fdatasync(fd)
    took.append((time.monotonic() - start) * 1000)
print(statistics.median(took))
