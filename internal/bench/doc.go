// Package bench measures speed and memory as ratios against a yardstick in the same run: the sqlite3 shell loading
// the same rows into the same tables, the raw tables behind a rollup. See "make bench".
package bench
