//go:build !linux

package postgres

import "time"

// limitUnconfirmed leaves to other systems what they do by themselves.
func limitUnconfirmed(uintptr, time.Duration) error { return nil }
