package cors_test

import (
	"log/slog"
	"os"
)

// quiet is a logger for tests that look at no log.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// bars reports whether the long runs are asked for.
func bars() bool { return os.Getenv("RAMPART_BARS") != "" }
