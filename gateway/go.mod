module github.com/ecolaura/rampart/gateway

go 1.26.0

require (
	github.com/ecolaura/rampart v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.5
)
