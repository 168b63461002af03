{"seq":"0000000000000001","logtime":"2026-01-01T00:00:00.000000Z","specversion":"1.0","id":"1","source":"/a","type":"t","subject":"s"}
