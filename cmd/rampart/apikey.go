package main

import "github.com/urfave/cli/v3"

func apikeyCommand(terminal) *cli.Command { return &cli.Command{Name: "apikey"} }
