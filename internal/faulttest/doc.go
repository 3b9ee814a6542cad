// Package faulttest holds the tests of what happens when something fails between an import, or the server of the pages,
// and its database: servers that restart, connections that are cut at every byte of a COMMIT, networks that fall silent,
// full disks, killed processes. All of it is real: PostgreSQL, pgbouncer, the built program, the wire.
package faulttest
