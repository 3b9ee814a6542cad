package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

func dotenv(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A flag beats the environment, which beats .env, which beats the default.
func TestPrecedence(t *testing.T) {
	for _, c := range []struct {
		flag, env, file string
		want            Value
	}{
		{"f", "e", "d", Value{"f", "--db"}},
		{"", "e", "d", Value{"e", "METRICS_DB_URI"}},
		{"", "", "d", Value{"d", "METRICS_DB_URI in .env"}},
		{"", "", "", Value{"feedback-loop.db", "default"}},
	} {
		s, err := Load(dotenv(t, "METRICS_DB_URI="+c.file+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.Environ = func(name string) (string, bool) { return c.env, name == "METRICS_DB_URI" }
		if got := s.Value(Database(), c.flag); got != c.want {
			t.Errorf("%+v gives %+v", c, got)
		}
	}
}

func TestDotenv(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a missing file: %v", err)
	}
	_, err := Load(dotenv(t, "this is = no\n'setting\n"))
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "NAME=value") {
		t.Errorf("a broken file: %v", err)
	}
}

func TestUsageNamesEveryPlace(t *testing.T) {
	for _, s := range []Setting{Database(), Address()} {
		for _, part := range []string{s.Help, "$" + s.Env, ".env", s.Default} {
			if !strings.Contains(s.Usage(), part) {
				t.Errorf("%q does not name %q", s.Usage(), part)
			}
		}
	}
}
