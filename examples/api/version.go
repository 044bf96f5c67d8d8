package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version says what this program was built from.
func version() string {
	text := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				text += " " + s.Value
			case s.Key == "vcs.time":
				text += " of " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				text += ", changed since"
			}
		}
	}
	return fmt.Sprintf("%s (%s, %s/%s)", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
