package main

import "github.com/urfave/cli/v3"

func tokenCommand(terminal) *cli.Command { return &cli.Command{Name: "token"} }
