package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const description = `
openapi: 3.1.0
servers: [{url: "https://{region}.example.com/v1/", variables: {region: {default: eu}}}]
security: [{bearer: []}]
paths:
  /items:
    parameters: [{$ref: "#/components/parameters/Page"}]
    get: {parameters: [{name: q, in: query, schema: {type: [string, "null"], examples: [soap]}}]}
    post: {security: []}
  /items/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, format: uuid}}]
    get: {parameters: [{name: id, in: path, required: true, example: a/b}], security: [{}, {bearer: []}]}
    delete: {}
  /files/{path}/{forgotten}: {get: {parameters: [{name: path, in: path, examples: {one: {value: 7}}}], security: []}}
  /again: {$ref: "#/paths/~1items~1%7Bid%7D"}
  /shared: {$ref: "#/components/pathItems/Shared"}
  x-extension: {a: 1}
components:
  parameters: {Page: {name: page, in: query, schema: {type: integer, default: 3}}}
  pathItems: {Shared: {head: {}, patch: {}}}
`

func TestRoutesAreAsDescribed(t *testing.T) {
	operations, prefix, err := parseOpenAPI([]byte(description))
	require.NoError(t, err)
	assert.Equal(t, "/v1", prefix)
	assert.Equal(t, []operation{
		{"DELETE", "/again", "/again", true},
		{"GET", "/again", "/again", false},
		{"GET", "/files/{path}/{forgotten}", "/files/7/1", false},
		{"GET", "/items", "/items?q=soap&page=3", true},
		{"POST", "/items", "/items?page=3", false},
		{"DELETE", "/items/{id}", "/items/00000000-0000-4000-8000-000000000001", true},
		{"GET", "/items/{id}", "/items/a%2Fb", false},
		{"HEAD", "/shared", "/shared", true},
		{"PATCH", "/shared", "/shared", true},
	}, operations)
	inJSON, _, err := parseOpenAPI([]byte(`{"openapi":"3.0.3","info":{"title":"\ud83d\ude00"},"paths":{"/a":{"get":{"security":[{"k":[]}],
		"parameters":[{"name":"n","in":"query","example":12345678901}]}}}}`))
	require.NoError(t, err)
	assert.Equal(t, []operation{{"GET", "/a", "/a?n=12345678901", true}}, inJSON)
}

func TestADescriptionThatCannotBeReadIsTold(t *testing.T) {
	for text, says := range map[string]string{
		`swagger: "2.0"`: "convert an older one",
		`openapi: 3.0.0
paths: {/a: {$ref: "other.yaml#/a"}}`: "bundle the description",
		`openapi: 3.0.0
paths: {/a: {$ref: "#/paths/~1a"}}`: "in a circle",
		`openapi: 3.0.0
paths: {/a: {get: {parameters: [{$ref: "#/components/parameters/No"}]}}}`: `"No" is not in this file`,
		`openapi: 3.0.0
paths: {/a: {get: {parameters: [{$ref: "other.yaml"}]}}}`: "bundle the description",
		"\t": "",
	} {
		_, _, err := parseOpenAPI([]byte(text))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), says)
	}
}

func FuzzOpenAPI(f *testing.F) {
	f.Add([]byte(description))
	f.Fuzz(func(t *testing.T, text []byte) {
		operations, _, err := parseOpenAPI(text)
		for _, op := range operations {
			if err != nil || op.Sample == "" || op.Sample[0] != '/' {
				t.Errorf("%q, %v", op.Sample, err)
			}
		}
	})
}
