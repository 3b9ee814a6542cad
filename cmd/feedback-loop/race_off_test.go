//go:build !race

package main

// raced says that the race detector runs, which makes code about ten times slower and larger.
const raced = false
