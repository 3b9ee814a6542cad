package metric

import "sync"

// Theme is one pattern of the made-up team's library: what is seen where it is violated, and what adopting it does.
type Theme struct {
	Name     string
	Weight   float64  // how often it comes up, relative to the other themes
	Adoption float64  // part of the story after which the team applies it; 0 = from the start, over 1 = never
	Effect   float64  // Scene.Risk some time after adoption
	Aid      float64  // added to the chance of success of a code generation that applies it
	Severity int      // usual severity of a finding, as a position in Severities
	Finding  string   // issue type of a code review
	Incident string   // issue type of a deployment
	Function string   // function that is measured or stands in a stack trace
	Modules  []string // folders where it shows
	Errors   []string // "Type: message"
	Code     string   // snippet that violates it
	Advice   []string // what reviewers suggest
	Causes   []string // root causes of its deployment issues
}

// Themes gives the patterns of the sample data. The values are shared: do not change them.
func Themes() []*Theme { return themes() }

var themes = sync.OnceValue(func() []*Theme {
	return append(append(dataThemes(), fileThemes()...), serviceThemes()...)
})

func dataThemes() []*Theme {
	return []*Theme{{
		// The team adopts this one and its bugs fall.
		Name: "numpy_json_serialization", Weight: 16, Adoption: 0.4, Effect: 0.12, Aid: 0.05, Severity: 1,
		Finding: "unserializable_type", Incident: "serialization_error", Function: "to_response",
		Modules: []string{"api", "reports", "scoring"},
		Errors: []string{"TypeError: Object of type float64 is not JSON serializable",
			"TypeError: Object of type int64 is not JSON serializable", "TypeError: Object of type ndarray is not JSON serializable"},
		Code:   "result = {\"score\": np.mean(data)}",
		Advice: []string{"Convert with float(np.mean(data)) before json.dumps", "Use the shared NumpyEncoder"},
		Causes: []string{"NumPy scalar in a response body", "Encoder missing from the new endpoint"},
	}, {
		Name: "bounds_checking", Weight: 13, Adoption: 0.05, Effect: 0.7, Aid: 0.03, Severity: 2,
		Finding: "unchecked_index", Incident: "crash_loop", Function: "first_item",
		Modules: []string{"api", "parsing", "pricing"},
		Errors: []string{"IndexError: list index out of range", "IndexError: pop from empty list",
			"KeyError: 'items'"},
		Code:   "first = items[0]",
		Advice: []string{"Check `if items:` before taking the first element", "Return early for an empty list"},
		Causes: []string{"Empty page from the upstream service", "Customer without orders"},
	}, {
		Name: "input_validation", Weight: 9, Adoption: 0.7, Effect: 0.55, Aid: 0.02, Severity: 1,
		Finding: "missing_validation", Incident: "bad_request_spike", Function: "parse_request",
		Modules: []string{"api", "forms", "webhooks"},
		Errors: []string{"ValueError: invalid literal for int() with base 10: 'abc'",
			"ValidationError: field required: customer_id", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9 in 'Café'"},
		Code:   "amount = int(request.args[\"amount\"])",
		Advice: []string{"Declare the request as a model and let it validate", "Answer 400 with the field's name"},
		Causes: []string{"A client sends the old payload", "Field renamed without a fallback"},
	}, {
		Name: "timezone_awareness", Weight: 5, Adoption: 2, Effect: 1, Aid: 0.01, Severity: 2,
		Finding: "naive_datetime", Incident: "wrong_schedule", Function: "next_run",
		Modules: []string{"schedule", "reports"},
		Errors: []string{"TypeError: can't compare offset-naive and offset-aware datetimes",
			"AssertionError: expected 2 rows for today, got 1"},
		Code:   "started = datetime.now()",
		Advice: []string{"Use datetime.now(timezone.utc)", "Keep UTC inside, convert at the edge"},
		Causes: []string{"Clock change at night", "Server moved to another zone"},
	}}
}

func fileThemes() []*Theme {
	return []*Theme{{
		Name: "temp_file_handling", Weight: 8, Adoption: 0.2, Effect: 0.6, Aid: 0.02, Severity: 1,
		Finding: "resource_leak", Incident: "disk_full", Function: "write_report",
		Modules: []string{"export", "imports"},
		Errors: []string{"OSError: [Errno 28] No space left on device", "ResourceWarning: unclosed file",
			"PermissionError: [Errno 13] Permission denied: '/tmp/report.csv'"},
		Code:   "f = open(\"/tmp/report.csv\", \"w\")",
		Advice: []string{"Use tempfile.NamedTemporaryFile in a with block", "Remove the file in a finally block"},
		Causes: []string{"Temporary files were never removed", "Two workers share one file name"},
	}, {
		// The team adopts this one too, and nothing gets better.
		Name: "large_file_processing", Weight: 12, Adoption: 0.45, Effect: 1, Aid: -0.14, Severity: 1,
		Finding: "unbounded_read", Incident: "memory_limit", Function: "load_file",
		Modules: []string{"imports", "pipeline", "media"},
		Errors: []string{"MemoryError: Unable to allocate 3.81 GiB for an array", "Killed: memory limit of 2048 MiB exceeded",
			"TimeoutError: reading the file took longer than 300 s"},
		Code:   "data = open(path).read()",
		Advice: []string{"Read the file in chunks", "Stream rows instead of building a list"},
		Causes: []string{"File ten times larger than tested", "Whole file held in memory"},
	}, {
		Name: "logger_debug", Weight: 7, Adoption: 0.1, Effect: 0.45, Aid: 0.03, Severity: 3,
		Finding: "print_statement", Incident: "log_flood", Function: "handle",
		Modules: []string{"cli", "tasks", "api"},
		Errors:  []string{"AssertionError: stdout must be empty, got 'DEBUG here'", "BrokenPipeError: [Errno 32] Broken pipe"},
		Code:    "print(\"DEBUG\", payload)",
		Advice:  []string{"Use logger.debug", "Remove the print before the merge"},
		Causes:  []string{"Debug output left in the hot path", "Log level not set in the chart"},
	}, {
		Name: "structured_logging", Weight: 5, Adoption: 0.55, Effect: 0.8, Aid: 0.01, Severity: 3,
		Finding: "unstructured_log", Incident: "missing_logs", Function: "log_event",
		Modules: []string{"tasks", "webhooks"},
		Errors:  []string{"KeyError: 'request_id'", "TypeError: not all arguments converted during string formatting"},
		Code:    "logging.info(\"done %s\", a, b)",
		Advice:  []string{"Pass fields as extra, not in the text", "Name the event, add its fields"},
		Causes:  []string{"Collector drops lines it cannot parse"},
	}}
}

func serviceThemes() []*Theme {
	return []*Theme{{
		Name: "specific_exceptions", Weight: 10, Adoption: 0.3, Effect: 0.65, Aid: 0.02, Severity: 2,
		Finding: "bare_except", Incident: "silent_failure", Function: "run_job",
		Modules: []string{"tasks", "billing", "pipeline"},
		Errors: []string{"KeyboardInterrupt: caught inappropriately", "RuntimeError: job failed without a reason",
			"UnboundLocalError: cannot access local variable 'result'"},
		Code:   "try:\n    process()\nexcept:\n    pass",
		Advice: []string{"Catch the exception you expect", "Log and raise again"},
		Causes: []string{"Error swallowed by a bare except", "Retry hid the first failure"},
	}, {
		Name: "retry_with_backoff", Weight: 8, Adoption: 0.65, Effect: 0.5, Aid: 0.02, Severity: 1,
		Finding: "missing_retry", Incident: "health_check_timeout", Function: "call_upstream",
		Modules: []string{"clients", "webhooks"},
		Errors: []string{"ConnectionError: HTTPSConnectionPool: Max retries exceeded",
			"TimeoutError: upstream did not answer within 10 s", "HTTPError: 429 Too Many Requests"},
		Code:   "response = requests.get(url)",
		Advice: []string{"Retry with jittered backoff", "Set a timeout on every call"},
		Causes: []string{"Upstream restarted during the rollout", "Rate limit of the payment provider"},
	}, {
		Name: "connection_pooling", Weight: 6, Adoption: 2, Effect: 1, Aid: 0.02, Severity: 0,
		Finding: "connection_leak", Incident: "connection_exhausted", Function: "query",
		Modules: []string{"db", "billing"},
		Errors: []string{"OperationalError: too many connections for role \"app\"",
			"TimeoutError: QueuePool limit of size 5 overflow 10 reached"},
		Code:   "conn = psycopg2.connect(DSN)",
		Advice: []string{"Take the connection from the pool", "Close the session in a with block"},
		Causes: []string{"Pool too small for the new workers", "Connections not returned after an error"},
	}, {
		Name: "sql_parameterization", Weight: 3, Adoption: 0.15, Effect: 0.3, Aid: 0.04, Severity: 0,
		Finding: "sql_injection", Incident: "migration_failure", Function: "find_customer",
		Modules: []string{"db", "reports"},
		Errors:  []string{"ProgrammingError: syntax error at or near \"O'Brien\"", "DataError: invalid input syntax for type integer"},
		Code:    "cur.execute(f\"SELECT * FROM customers WHERE name = '{name}'\")",
		Advice:  []string{"Pass parameters, never format them into SQL", "Use the query builder"},
		Causes:  []string{"Migration assumed clean names", "Quoting differs between staging and production"},
	}}
}
