package postgres

import (
	"database/sql"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Adopter = Engine{}

// keep is the schema that the original exporter's tables are moved to. It stands on nobody's search path.
const keep = "original"

// stray is a table of the original exporter that stands in the way.
type stray struct {
	schema, table string
	numbered      bool // by a primary key "id", as the original's all are
	taken         bool // the kept ones have that name already
}

// strays looks where the exporter would have found its tables: along the search path that a connection has by itself.
// What is in our own schemas beside our table of versions is ours. One exporter wrote to one schema, the first that has any.
func strays(tx *sqldb.Tx) (all []stray, err error) {
	if err := tx.Run("SET LOCAL search_path TO DEFAULT"); err != nil {
		return nil, err
	}
	err = tx.Query(tx.Statement(`SELECT n.nspname, c.relname,
  EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1 AND a.attname = 'id' AND a.atttypid IN ('int4'::regtype, 'int8'::regtype)),
  EXISTS (SELECT FROM pg_class k WHERE k.relname = c.relname AND k.relnamespace = to_regnamespace('`+keep+`'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relname IN (`+quoted(originals())+`)
  AND (n.nspname = ANY (current_schemas(false)) OR n.nspname IN ('public', 'metrics')) AND n.nspname <> '`+keep+`'
  AND NOT (n.nspname IN ('metrics', 'api') AND to_regclass('metrics.feedback_loop_versions') IS NOT NULL)
ORDER BY array_position(current_schemas(false), n.nspname) NULLS LAST, n.nspname, c.relname`), func(r *sql.Rows) error {
		var s stray
		err := r.Scan(&s.schema, &s.table, &s.numbered, &s.taken)
		if len(all) == 0 || all[0].schema == s.schema {
			all = append(all, s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, tx.Run("SET LOCAL search_path = " + searchPath)
}

// SetAside implements sqldb.Adopter.
func (Engine) SetAside(tx *sqldb.Tx) (names []string, err error) {
	all, err := strays(tx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if err := tx.Run("CREATE SCHEMA IF NOT EXISTS " + keep); err != nil {
		return nil, err
	}
	for _, s := range all {
		name := s.schema + "." + s.table
		switch {
		case s.taken:
			return nil, fault.New(fault.Conflict, "the schema %s has a table %s already, from an earlier adoption", keep, s.table).
				Try("If its rows are no longer needed, drop it there, or move it to a schema of another name; then run this again. Nothing was changed.")
		case !s.numbered:
			return nil, fault.New(fault.Conflict, "%s has no primary key \"id\" of whole numbers, so the original exporter did not make it", name).
				Try("Rename it, or name another database; nothing was changed.")
		}
		if err := tx.Run("ALTER TABLE " + pgx.Identifier{s.schema, s.table}.Sanitize() + " SET SCHEMA " + keep); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// Kept implements sqldb.Adopter.
func (Engine) Kept() string {
	return `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = '` + keep + `' AND c.relname IN (` + quoted(originals()) + `) ORDER BY 1`
}

// KeptRows implements sqldb.Adopter. Columns of the type json keep their text, and with it all digits of their numbers.
func (Engine) KeptRows(table string) string {
	return `SELECT id, octet_length(j), CASE WHEN octet_length(j) <= ? THEN j END
FROM (SELECT id, CAST(row_to_json(t) AS TEXT) AS j FROM ` + kept(table) + ` t WHERE id > CAST(? AS BIGINT) ORDER BY id LIMIT ?) x ORDER BY id`
}

// KeptCount implements sqldb.Adopter.
func (Engine) KeptCount(table string) string { return "SELECT COUNT(*) FROM " + kept(table) }

func kept(table string) string { return keep + "." + pgx.Identifier{table}.Sanitize() }
