package rampart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
)

func TestADialectPrintsItsName(t *testing.T) {
	assert.Equal(t, "SQLite PostgreSQL unknown", rampart.SQLite.String()+" "+rampart.PostgreSQL.String()+" "+rampart.Dialect(0).String())
}
