//go:build !linux

package ingest_test

import "testing"

// memory is an empty folder.
func memory(t testing.TB) string { return t.TempDir() }
