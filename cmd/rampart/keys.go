package main

import "github.com/urfave/cli/v3"

func keysCommand(terminal) *cli.Command { return &cli.Command{Name: "keys"} }
