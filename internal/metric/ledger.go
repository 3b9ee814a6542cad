package metric

import "sync"

// The ledger of imports: what was read, what became of it, and the memory that makes a repeated import a no-op.

// ImportRuns is import_runs: one row per file and import.
func ImportRuns() *Table { return importRuns() }

// ImportRejects is import_rejects: one row per record that could not be used.
func ImportRejects() *Table { return importRejects() }

// ImportSeries is import_series: the last count of each cumulative counter.
func ImportSeries() *Table { return importSeries() }

// ImportUndated is import_undated: the time that was given to a record without one.
func ImportUndated() *Table { return importUndated() }

// RollupDirty is rollup_dirty: days whose summaries are older than metrics_daily.
func RollupDirty() *Table { return rollupDirty() }

// Retention is retention_horizons: what was removed from the event tables because of its age.
func Retention() *Table { return retention() }

// Leases is job_leases: which server runs a job that only one may run.
func Leases() *Table { return leases() }

// CopyProgress is copy_progress: how far a copy into this database has come.
func CopyProgress() *Table { return copyProgress() }

func ledger() []*Table {
	return []*Table{ImportRuns(), ImportRejects(), ImportSeries(), ImportUndated(), RollupDirty(), Retention(), Leases(), CopyProgress()}
}

var retention = sync.OnceValue(func() *Table {
	return &Table{Name: "retention_horizons", Since: 2,
		Doc: "Event tables from which old rows were removed. The rollups still count those rows, so that none may be imported again.",
		Columns: []Column{
			{Name: "table_name", Type: Text, Size: 100, Required: true, Doc: "Event table."},
			{Name: "kept_from", Type: Time, Required: true, Doc: "All rows before this time were removed."},
		},
		Identity: []string{"table_name"},
	}
})

var leases = sync.OnceValue(func() *Table {
	return &Table{Name: "job_leases", Since: 2, Local: true,
		Doc: "Jobs of servers that only one server may run at a time.",
		Columns: []Column{
			{Name: "job", Type: Text, Size: 100, Required: true, Doc: "Name of the job."},
			{Name: "holder", Type: Text, Size: 255, Required: true, Doc: "Server that runs it."},
			{Name: "expires_at", Type: Time, Required: true, Doc: "When another server may take it."},
		},
		Identity: []string{"job"},
	}
})

var copyProgress = sync.OnceValue(func() *Table {
	return &Table{Name: "copy_progress", Since: 2, Local: true,
		Doc: "Tables of a copy of another database into this one that has not come to its end.",
		Columns: []Column{
			{Name: "table_name", Type: Text, Size: 100, Required: true, Doc: "Table."},
			{Name: "source", Type: Text, Required: true, Doc: "Database it is copied from, without password."},
			{Name: "fingerprint", Type: Text, Size: 64, Required: true, Doc: "SHA-256 over when that database was made and how many rows its tables have."},
			{Name: "last_key", Type: Text, Required: true, Doc: "Key of the row that was copied last, as a JSON list of texts; empty = none yet."},
			counter("row_count", "Rows that were copied."),
			{Name: "done", Type: Bool, Required: true, Default: false, Doc: "All rows were copied."},
		},
		Identity: []string{"table_name"},
	}
})

func counter(name, doc string) Column {
	return Column{Name: name, Type: Int, Required: true, Default: int64(0), Doc: doc}
}

var importRuns = sync.OnceValue(func() *Table {
	return &Table{Name: "import_runs", Since: 1, AutoID: true,
		Doc: "One row per imported file: read_count = inserted_count + duplicate_count + rejected_count, at every moment.",
		Columns: []Column{
			{Name: "organization_id", Type: Int, Required: true, Default: int64(1), Doc: "Organisation."},
			{Name: "file", Type: Text, Required: true, Doc: "File as it was named; - = standard input."},
			{Name: "format", Type: Text, Size: 50, Required: true, Doc: "Format that was recognised."},
			{Name: "source", Type: Text, Size: 100, Required: true, Doc: "Source given to the rows."},
			{Name: "repository", Type: Text, Size: 255, Required: true, Default: "", Doc: "Repository given to rows that name none."},
			{Name: "branch", Type: Text, Size: 255, Required: true, Default: "", Doc: "Branch given to rows that name none."},
			{Name: "status", Type: Text, Size: 20, Required: true, Doc: "running, done or failed."},
			{Name: "started_at", Type: Time, Required: true, Doc: "Start of the import."},
			{Name: "finished_at", Type: Time, Doc: "End of it; null while it runs or if it was killed."},
			counter("read_count", "Records that were read."),
			counter("inserted_count", "Rows that were written."),
			counter("duplicate_count", "Records that were there already."),
			counter("rejected_count", "Records that could not be used; see import_rejects."),
			{Name: "error", Type: Text, Doc: "Why it failed."},
			{Name: "notes", Type: List, Doc: "Deviations that were mapped."},
		}}
})

var importRejects = sync.OnceValue(func() *Table {
	return &Table{Name: "import_rejects", Since: 1, AutoID: true,
		Doc: "Records that could not be used, with their text, so that nothing is lost.",
		Columns: []Column{
			{Name: "import_run_id", Type: Int, Required: true, Doc: "id in import_runs."},
			{Name: "position", Type: Text, Required: true, Doc: "Where the record stands in the file."},
			{Name: "category", Type: Text, Size: 100, Required: true, Doc: "Category it was listed under."},
			{Name: "reason", Type: Text, Required: true, Doc: "Why it cannot be used."},
			{Name: "raw", Type: Text, Required: true, Doc: "Its text, with bytes that are not UTF-8 and NUL as \\xNN."},
		},
		Indexes: []Index{{Name: "idx_import_rejects_run", Columns: []string{"import_run_id"}}},
	}
})

var importSeries = sync.OnceValue(func() *Table {
	return &Table{Name: "import_series", Since: 1, AutoID: true,
		Doc: "The last count that a source reported for each cumulative counter.",
		Columns: []Column{
			{Name: "series_key", Type: Key, Required: true, Doc: "UUIDv5 over organisation, repository, source, category and the series columns."},
			{Name: "last_count", Type: Int, Required: true, Doc: "Count in the file that was imported last."},
			{Name: "last_timestamp", Type: Time, Required: true, Doc: "Time of that record."},
			{Name: "repeated", Type: Bool, Required: true, Default: false,
				Doc: "A file listed the series more than once: its records are events, not a counter."},
		},
		Identity: []string{"series_key"},
	}
})

var importUndated = sync.OnceValue(func() *Table {
	return &Table{Name: "import_undated", Since: 1,
		Doc: "The time a record without timestamp was given at its first import.",
		Columns: []Column{
			{Name: "event_key", Type: Key, Required: true, Doc: "Identity of the record."},
			{Name: "timestamp", Type: Time, Required: true, Doc: "Time it was given."},
		},
		Identity: []string{"event_key"},
	}
})

var rollupDirty = sync.OnceValue(func() *Table {
	return &Table{Name: "rollup_dirty", Since: 1,
		Doc: "Days whose rows in metrics_summary and pattern_effectiveness have to be computed again.",
		Columns: []Column{
			{Name: "organization_id", Type: Int, Required: true, Doc: "Organisation."},
			{Name: "metric_type", Type: Text, Size: 100, Required: true, Doc: "Category, or the links of one."},
			{Name: "day", Type: Date, Required: true, Doc: "Day."},
		},
		Identity: []string{"organization_id", "metric_type", "day"},
	}
})
