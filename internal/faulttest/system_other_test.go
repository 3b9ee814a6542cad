//go:build !linux

package faulttest

import "testing"

func systemTests() map[string]func(*testing.T, *kit) { return nil }
