package main

import "github.com/urfave/cli/v3"

func auditCommand(terminal) *cli.Command { return &cli.Command{Name: "audit"} }
