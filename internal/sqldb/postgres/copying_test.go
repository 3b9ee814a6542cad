package postgres_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

// A table that is read in batches by its key is not sorted for each: not even where its key is hashed in the index, it has
// parts, or was filled a moment ago.
func TestWalk(t *testing.T) {
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, pgtest.Shared(t).Database(t), sqldb.Options{Version: metric.SchemaVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), metric.Tables(), metric.SchemaVersion, time.Now()); err != nil {
		t.Fatal(err)
	}
	err = db.Try(t.Context(), func(tx *sqldb.Tx) error {
		for _, table := range metric.Tables() {
			if _, err := tx.Loader(table, sqldb.Skip).Insert(t.Context(), sqldbtest.Extremes(table)); err != nil {
				return err
			}
		}
		if err := tx.Walk(); err != nil {
			return err
		}
		for _, table := range metric.Tables() {
			key := "id"
			if !table.AutoID {
				key = strings.Join(table.Identity, ", ")
			}
			plan, err := explain(tx, "SELECT * FROM "+table.Name+" ORDER BY "+key+" LIMIT 10")
			if err != nil {
				return err
			}
			if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "->  Sort  (") || !strings.Contains(plan, " using ") {
				t.Errorf("%s is read by\n%s", table.Name, plan)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func explain(tx *sqldb.Tx, query string) (plan string, err error) {
	err = tx.Query(tx.Statement("EXPLAIN "+query), func(r *sql.Rows) error {
		var line string
		err := r.Scan(&line)
		plan += line + "\n"
		return err
	})
	return plan, err
}
