package cors_test

import "log/slog"

// quiet is a logger for tests that look at no log.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
